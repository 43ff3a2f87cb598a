"""Publish a newsletter from a git repository: Markdown in, one message to every subscriber out."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("newsletter-press")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0"
