"""Publish a newsletter from a git repository: Markdown in, one message to every subscriber out."""

__version__ = "0.1.0"
