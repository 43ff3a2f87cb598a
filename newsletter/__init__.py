"""Publish a newsletter from a git repository: Markdown in, one message to every subscriber out.

    letter = newsletter.load("newsletter.toml")
    composed = newsletter.compose(letter, "posts/2026-05-04-hello.md")
    findings = await newsletter.check(composed)

These names are the library, and stable; they are loaded when they are first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from newsletter.api import Letter, check, compose, follow, load, send
    from newsletter.errors import NewsletterError

__version__ = "0.1.0"
__all__ = ["Letter", "NewsletterError", "__version__", "check", "compose", "follow", "load", "send"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'newsletter' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module("newsletter.errors" if name == "NewsletterError" else "newsletter.api"), name)
    globals()[name] = value
    return value
