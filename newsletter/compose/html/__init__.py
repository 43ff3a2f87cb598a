"""The HTML part: what is taken out, how large pictures are, where styles go."""
