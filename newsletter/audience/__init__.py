"""Who gets it: subscribers, segments, suppressions, and the tokens that stand for them."""
