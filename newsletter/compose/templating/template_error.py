"""Say what is wrong in a template, to its author: where, what, and the next step.

Knows Jinja2's errors, and the marks of other template languages that people bring.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from types import TracebackType

from jinja2.exceptions import SecurityError, TemplateError, TemplateNotFound, TemplateSyntaxError, UndefinedError

from newsletter.errors import NewsletterError

_FOREIGN: tuple[tuple[str, str], ...] = (
    (r"\{\{\s*#each\s+([\w.]+)", "{{#each}} is Handlebars; here it is {% for item in NAME %}…{% endfor %}"),
    (r"\{\{\s*#if\s+([\w.]+)", "{{#if}} is Handlebars; here it is {% if NAME %}…{% endif %}"),
    (r"\{\{\s*#unless\s+([\w.]+)", "{{#unless}} is Handlebars; here it is {% if not NAME %}…{% endif %}"),
    (r"\{\{\s*([#/^]\s*\w+)", "{{NAME}} is Handlebars or Mustache; here a block is {% if %} or {% for %}"),
    (r"\{\{\s*>\s*([\w./-]+)", '{{> NAME}} is Handlebars; here it is {% include "partials/NAME.html" %}'),
    (r"\{\{\{\s*([\w.]+)", "{{{NAME}}} is Handlebars; here it is {{ NAME | safe }}"),
    (r"\{\{\s*(!\S*)", "{{NAME is a comment of Handlebars; here it is {# … #}"),
    (r"\{\{\s*(\.[\w.]+)", "{{ NAME }} is a Go template; here names have no dot before them"),
    (r"\{%-?\s*(assign)\b", "{% NAME %} is Liquid; here it is {% set name = value %}"),
    (r"\{%-?\s*(capture|unless|case|comment|render)\b", "{% NAME %} is Liquid; see docs/how-to/bring-a-template.md"),
)
"""Marks that Jinja2 can't read, and how it says the same."""


def template_error(
    error: Exception,
    name: str,
    folder: str,
    known: Iterable[str] = (),
    filters: Iterable[str] = (),
    source: Callable[[str], str] = lambda name: "",
) -> NewsletterError:
    """`name` is the template that was asked for; `known` names and `filters` may have been meant."""
    path, line = place_in_template(error.__traceback__, name, folder)
    if isinstance(error, TemplateSyntaxError):
        path, line = _in_folder(error.filename or error.name or path, folder), error.lineno
        text = error.source or source(error.name or name)
        return NewsletterError(_syntax(str(error.message), _line(text, line), filters), path=path, line=line)
    if isinstance(error, UndefinedError):
        return NewsletterError(_undefined(str(error.message), _line(source(path), line), known), path=path, line=line)
    if isinstance(error, TemplateNotFound):
        what = f"no template {error.name!r} in {folder}/; write it or correct the name"
        return NewsletterError(what, path=path, line=line)
    if isinstance(error, RecursionError):
        return NewsletterError("calls itself without end; give the macro or include an end", path=path, line=line)
    if isinstance(error, MemoryError):
        return NewsletterError("takes too much memory; make it smaller", path=path, line=line)
    if isinstance(error, (SecurityError, OverflowError)):
        what = str(error).rstrip(".")
        hint = (
            "a template can't have that; take it out" if "unsafe" in what else "templates are bounded, make it smaller"
        )
        return NewsletterError(f"{what}; {hint}", path=path, line=line)
    what = str(error) if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"
    return NewsletterError(_syntax(what, _line(source(path), line), filters), path=path, line=line)


def _syntax(message: str, line: str, filters: Iterable[str]) -> str:
    what = message.rstrip(".")
    if "end of comment" in what:
        return f"{what}: `{{#` begins a comment; in CSS write a space between, `{{ #`"
    for pattern, said in _FOREIGN:
        if match := re.search(pattern, line):
            return said.replace("NAME", match[1])
    filters = list(filters)
    if filters and (missing := re.match(r"No (filter|test) named '([^']*)'", what)):
        near = difflib.get_close_matches(missing[2], filters, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see Jinja2's list"
        return f"No {missing[1]} named {missing[2]!r}; {hint} (a date's form: post.date.strftime('%d %B %Y'))"
    return f"{what}; correct the template"


def _undefined(message: str, line: str, known: Iterable[str]) -> str:
    if missing := re.match(r"'None' has no attribute '(\w+)'", message):
        holder = re.search(rf"([\w.]+)\.{missing[1]}\b", line)
        if holder:
            name = holder[1]
            return f"{name} is empty, so it has no {missing[1]!r}; write {{% if {name} %}}…{{% endif %}} around it"
        return f"what is empty has no {missing[1]!r}; write {{% if … %}}…{{% endif %}} around it"
    if message.endswith("?"):
        return message
    name = message.split("'")[1] if message.count("'") > 1 else ""
    near = difflib.get_close_matches(name, [word for word in known if " " not in word], n=1)
    return f"{message}; " + (
        f"did you mean {near[0]!r}?" if near else "correct the name, or use `is defined` or `default`"
    )


def place_in_template(traceback: TracebackType | None, name: str, folder: str) -> tuple[str, int | None]:
    """The innermost template and line of a traceback: Jinja2 names a frame by the path that it was compiled with."""
    path, line = name, None
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if filename.startswith(f"{folder}/") or filename == name:
            path, line = filename, traceback.tb_lineno
        traceback = traceback.tb_next
    return path, line


def _in_folder(path: str, folder: str) -> str:
    return f"{folder}/{path}" if re.fullmatch(r"[\w./-]+\.(?:html|txt)", path) and "/" not in path else path


def _line(text: str, number: int | None) -> str:
    lines = text.splitlines()
    return lines[number - 1] if number is not None and 0 < number <= len(lines) else ""
