"""Say what is wrong with a setting: where it stands, what it should be, the nearest known name.

Knows the text of newsletter.toml, the environment's names and pydantic's errors; which keys there are, and what they
mean, is `settings`'s.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict, get_args

from pydantic import BaseModel, ValidationError

from newsletter.errors import NewsletterError

PREFIX = "NEWSLETTER_"
_NOT_SHOWN = {"secret", "password", "token"}
_AT = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")
_WORDS = {
    "string_type": "{input!r} is no text; put it into quotes",
    "int_type": "{input!r} is no whole number; write one, without quotes",
    "int_parsing": "{input!r} is no whole number; write one, without quotes",
    "int_from_float": "{input!r} is no whole number; write one",
    "greater_than_equal": "{input!r} is too small; {ge} is the least",
    "less_than_equal": "{input!r} is too large; {le} is the most",
}
"""Pydantic's errors in plain words, by their type."""

Model = type[BaseModel]


class Location(TypedDict):
    """Where a setting stands, as NewsletterError takes it."""

    path: Path | str
    line: int | None


def variable(keys: tuple[str, ...]) -> str:
    """The environment variable that sets the key: `NEWSLETTER_SMTP__URL`."""
    return PREFIX + "__".join(keys).upper()


def location_of(keys: tuple[str, ...], path: Path, text: str, environment: Iterable[str]) -> Location:
    """The environment's variable for the key if there is one, for it wins; else the file `path` with its `text`."""
    names = {name.upper() for name in environment}
    for length in range(len(keys), 0, -1):
        if (name := variable(keys[:length])) in names:
            return {"path": f"environment {name}", "line": None}
    return {"path": path, "line": line_of_setting(text, keys)}


def broken_toml(error: tomllib.TOMLDecodeError, path: Path, text: str) -> NewsletterError:
    """The line and the reason of a file that is no TOML."""
    at = _AT.search(str(error))
    line = int(at[1]) if at and at[1] else max(1, len(text.rstrip().splitlines()))
    what = _AT.sub("", str(error))
    lines = text.splitlines()
    hint = "fix the TOML"
    if line <= len(lines) and what == "Invalid value":
        hint = 'a text stands in straight quotes, as in title = "The Long View"'
    return NewsletterError(f"{what[:1].lower()}{what[1:]}; {hint}", path=path, line=line)


def invalid_value(
    error: ValidationError, model: Model, path: Path, text: str, environment: Iterable[str]
) -> NewsletterError:
    """The first of the errors, in one line."""
    first = error.errors()[0]
    keys = _keys(model, tuple(str(key) for key in first["loc"]))
    place = location_of(keys, path, text, environment)
    name = _name(keys)
    if first["type"] == "extra_forbidden":
        return NewsletterError(f"unknown {_kind(keys)} {name}; {_hint(keys, first['input'], model)}", **place)
    return NewsletterError(f"{name}: {_reason(first, keys)}", **place)


def check_names(environment: Iterable[str], model: Model) -> None:
    """Refuse a variable that looks like one of ours and sets nothing, such as NEWSLETTER_SMPT__URL."""
    for name in environment:
        if not name.upper().startswith(PREFIX):
            continue
        table, nested, _ = name.upper().removeprefix(PREFIX).lower().partition("__")
        if table in model.model_fields:
            continue
        near = difflib.get_close_matches(table, model.model_fields, n=1)
        section, _, key = table.partition("_")
        if section in model.model_fields and key in model_of(model.model_fields[section].annotation).model_fields:
            hint = f"did you mean {variable((section, key))}, with two underscores?"
        elif not nested and (owner := _owner(table, model)):
            hint = f"did you mean {variable((owner, table))}?"
        elif near:
            hint = f"did you mean {variable((near[0],))}{'__…' if nested else ''}?"
        elif nested:
            hint = f"tables: {', '.join(_shown(model))}"
        else:
            continue  # somebody else's
        raise NewsletterError(f"sets no key of newsletter.toml; {hint}", path=f"environment {name}")


def line_of_setting(text: str, keys: tuple[str, ...]) -> int | None:
    """The line (from 1) of `[keys[0]] keys[1] = …`, or of the table itself; None where the file doesn't say it."""
    table: tuple[str, ...] = ()
    header: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            table = _parts(match[1])
            if table[: len(keys)] == keys:
                return number
            if table == keys[:1]:
                header = number
        elif match := re.match(r"\s*([\w\"'.-]+)\s*=", line):
            full = table + _parts(match[1])
            if full == keys[: len(full)]:
                return number
    return header if len(keys) == 1 else None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"' ") for part in dotted.split("."))


def _keys(model: Model, loc: tuple[str, ...]) -> tuple[str, ...]:
    """`loc` without what pydantic appends for the members of a list or a union."""
    section = model.model_fields.get(loc[0])
    if section is not None and len(loc) > 2 and loc[1] in model_of(section.annotation).model_fields:
        return loc[:2]
    return loc


def _name(keys: tuple[str, ...]) -> str:
    return f"[{keys[0]}] {'.'.join(keys[1:])}" if len(keys) > 1 else keys[0]


def _kind(keys: tuple[str, ...]) -> str:
    return "key" if len(keys) > 1 else "table"


def _hint(keys: tuple[str, ...], value: Any, model: Model) -> str:
    """What may have been meant by an unknown key."""
    inner = model
    for key in keys[:-1]:
        inner = model_of(inner.model_fields[key].annotation)
    if len(keys) == 1 and not isinstance(value, dict) and (owner := _owner(keys[0], model)):
        return f"it belongs below [{owner}]"
    known = _shown(inner)
    if len(keys) == 2 and keys[1] != "url" and (owner := _owner(keys[1], model)):
        return f"it belongs below [{owner}]"
    near = difflib.get_close_matches(keys[-1], known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(known)}"


def _owner(key: str, model: Model) -> str | None:
    """The first table that has the key."""
    sections = {name: field.annotation for name, field in model.model_fields.items()}
    return next((name for name, kind in sections.items() if key in _shown(model_of(kind))), None)


def _reason(fault: Any, keys: tuple[str, ...]) -> str:
    """What is wrong with the value, and what to write."""
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "value_error":
        return str(fault["msg"]).removeprefix("Value error, ")
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", context["expected"])
        near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
        return f"{value!r} is not known; " + (f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}")
    if len(keys) == 1:
        return f"{value!r} is no table; write [{keys[0]}] on a line and its keys below"
    if kind == "list_type":
        return f'{value!r} is no list; write it like ["{value}"]'
    if kind == "string_type" and fault["loc"][-1] == "str":
        return f"{value!r} is neither a text nor a list of texts; put it into quotes"
    return _WORDS.get(kind, f"{fault['msg']}; it is {{input!r}} now").format(input=value, **context)


def model_of(annotation: Any) -> Model:
    """The table's class; one without keys for what is no table."""
    kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
    return next((kind for kind in kinds if issubclass(kind, BaseModel)), BaseModel)


def _shown(model: Model) -> list[str]:
    return [name for name in model.model_fields if name not in _NOT_SHOWN]
