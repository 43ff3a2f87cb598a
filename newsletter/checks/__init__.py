"""Checks: what is wrong with a message before anybody gets it. One function a rule, listed in the tuple `run.CHECKS`.

`run.check_message(sample.sample_of(message, page, config, template))` looks at the message alone, and is pure. What
asks others, the links' servers and the spam filter, is asked for by name: `rules.link_status`, `rules.spam`. Nothing
is imported here: a finding (`finding`) travels between processes without the rules.
"""
