"""A wrong command line, said in one line: what is wrong, what may have been meant, where to read on."""

import difflib
import re

from typer._click.exceptions import BadParameter, MissingParameter, NoSuchOption, UsageError

_PLAINER = (
    (r"Input should be a valid (?:integer|number), .*", "a number is needed"),
    (r"Input should be greater than or equal to (\S+)", r"\1 is the least"),
    (r"Input should be less than or equal to (\S+)", r"\1 is the most"),
    (r"Value error, (.*)", r"\1"),
    (r"Got unexpected extra argument\(s\) \((.*)\)", r"what is '\1' for? A text with spaces needs quotes"),
    (r"No such command ('.*')\. Did you mean ('[^']*').*", r"no such command \1; did you mean \2?"),
)
"""Typer's words, and ours."""


def explain_usage(error: UsageError, command: str) -> str:
    """One line for `error`; `command` is what was called, where the error itself doesn't know."""
    if error.ctx is not None:
        command = error.ctx.command_path
    what = _what(error)
    return what if "did you mean" in what else f"{what}; see `{command} --help`"


def _what(error: UsageError) -> str:
    if isinstance(error, NoSuchOption):
        near = difflib.get_close_matches(error.option_name, error.possibilities or (), n=1, cutoff=0.5)
        return f"no such option {error.option_name}" + (f"; did you mean {near[0]}?" if near else "")
    if isinstance(error, BadParameter) and not isinstance(error, MissingParameter) and error.param is not None:
        return f"{error.param.get_error_hint().strip(chr(39))}: {_plain(error.message)}"
    return _plain(error.format_message())


def _plain(message: str) -> str:
    message = " ".join(message.split()).rstrip(".")
    for pattern, plainer in _PLAINER:
        if found := re.fullmatch(pattern, message):
            return found.expand(plainer)
    return message[:1].lower() + message[1:]
