"""Jinja2 in two stages: the sandboxed environment, slots, filling them."""
