"""Split a file into front matter and text.

python-frontmatter's handlers recognise YAML, TOML and JSON; `formats` reads them. Known here is on which line of the
file each key and the text stand; what the keys mean is `post`'s business.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from frontmatter.default_handlers import BaseHandler, JSONHandler, YAMLHandler

from newsletter.errors import NewsletterError
from newsletter.site.formats import Read, read_json, read_toml, read_yaml_mapping

LARGEST = 256 * 1024
"""Characters of front matter at most."""
_META = re.compile(r"([A-Za-z][\w-]*):[ \t]*(.*)\Z")
_SCRIPT = re.compile(
    r"---[ \t]*(js|javascript|node|coffee|cson)[ \t]*\n(?=.*?^---)", re.DOTALL | re.MULTILINE
)  # Eleventy's
_OPEN = re.compile(r"\s*(---|\+\+\+|\{)")


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What stands before the text; `lines` holds the line of the file (from 1) of each top-level key."""

    data: dict[str, Any]
    body: str
    body_line: int
    lines: Mapping[str, int] = field(default_factory=dict)
    written: Mapping[str, Any] = field(default_factory=dict)  # YAML scalars as text: `1.10`, `yes`, `2018-07-01`

    def caseless(self, keys: Iterable[str]) -> "FrontMatter":
        """The same, with those of `keys` that are written in another case as they are written here."""
        named = {name.lower(): name for name in reversed(self.data)}
        other = {key: named[key.lower()] for key in keys if key not in self.data and key.lower() in named}
        if not other:
            return self
        return replace(
            self,
            data={**self.data, **{key: self.data[name] for key, name in other.items()}},
            lines={**self.lines, **{key: self.line(name) for key, name in other.items()}},
            written={**self.written, **{k: self.written[name] for k, name in other.items() if name in self.written}},
        )

    def in_utc(self) -> "FrontMatter":
        """The same, times without an offset in UTC, as Ruby's YAML takes them; dates and quoted times stay.

        So does `send_before`, which is none of Jekyll's.
        """
        naive = {
            key: value.replace(tzinfo=UTC)
            for key, value in self.data.items()
            if isinstance(value, datetime) and value.tzinfo is None and key != "send_before"
        }
        return replace(self, data={**self.data, **naive}) if naive else self

    def line(self, key: str) -> int:
        """The line of `key`, or of the front matter's first line."""
        return self.lines.get(key, 1)


def line_of_key(path: Path, key: str) -> int | None:
    """The first line of the file at `path` that sets `key`, whatever its case; None where that can't be told."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")[:LARGEST]
    except OSError:
        return None
    pattern = re.compile(rf"[\s\-{{]*(?:\S.*[{{,]\s*)?[\"']?{re.escape(key)}[\"']?\s*[:=]", re.IGNORECASE)
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), None)


def split_front_matter(text: str, path: Path, *, metadata: bool = False) -> FrontMatter:
    """Front matter and body of `text`, which has LF line ends and no BOM.

    Front matter opens on the first line that isn't blank; with `metadata` it may be lines like `Title: Hello`. Raises
    NewsletterError with `path` and the line for what is unterminated, broken, out of bounds, or not a mapping.
    """
    opening = _OPEN.match(text)
    if opening is None:
        return _metadata(text) if metadata else FrontMatter({}, text, 1)
    if script := _SCRIPT.match(text, opening.start(1)):
        what = f"the front matter is {script[1]}, which isn't run; write it as YAML, between lines of ---"
        raise NewsletterError(what, path=path, line=text.count("\n", 0, opening.start(1)) + 1)
    start = opening.start(1)
    first_line = text.count("\n", 0, start) + 1
    rest = text[start:]
    handler: YamlFormat | TomlFormat | JsonFormat
    for handler in (YamlFormat(), TomlFormat(), JsonFormat()):
        if handler.detect(rest):
            break
    else:
        return FrontMatter({}, text, 1)
    try:
        source, body = handler.split(rest)
    except ValueError:
        mark = handler.END_DELIMITER
        raise NewsletterError(
            f"the front matter that opens here never ends; close it with a line {mark}", path=path, line=first_line
        ) from None
    if len(source) > LARGEST:
        raise NewsletterError(
            f"the front matter has {len(source):,} characters, {LARGEST:,} at most; move text below it",
            path=path, line=first_line,
        )  # fmt: skip
    source_line = first_line + (0 if isinstance(handler, JsonFormat) else 1)
    data, lines, written = handler.read(source, path, source_line)
    return FrontMatter(data, body, first_line + rest.count("\n", 0, len(rest) - len(body)), lines, written)


def _metadata(text: str) -> FrontMatter:
    """Lines like `Title: Hello` before the first empty one; none where there is no title. Pelican, MultiMarkdown."""
    head, _, body = text.partition("\n\n")
    data: dict[str, Any] = {}
    lines: dict[str, int] = {}
    key = ""
    for number, line in enumerate(head.split("\n"), 1):
        match = _META.match(line)
        if match:
            key = match[1].lower()
            data[key], lines[key] = match[2].strip(), number
        elif key and line.startswith(("    ", "\t")):
            data[key] = f"{data[key]} {line.strip()}"
        else:
            return FrontMatter({}, text, 1)
    if not data.get("title") or not body.strip():
        return FrontMatter({}, text, 1)
    if data.get("status") == "draft":
        data["draft"] = True
    return FrontMatter(data, body, head.count("\n") + 3, lines, dict(data))


class YamlFormat(YAMLHandler):
    """Between `---` and `---` or `...`, as Jekyll has it; what a longer line has over three dashes is text, in Hugo."""

    FM_BOUNDARY = re.compile(r"---[ \t]*(?:\n|\Z)")
    _END = re.compile(r"^(?:(?:---|\.\.\.)[ \t]*(?:\n|\Z)|---(?=-+[ \t]*$))", re.MULTILINE)

    def split(self, text: str) -> tuple[str, str]:
        return _cut(text, self._END)

    def read(self, source: str, path: Path, line: int) -> Read:
        return read_yaml_mapping(source, path, line)


class TomlFormat(BaseHandler):
    """Between `+++` and `+++`, as Hugo has it; python-frontmatter's own needs a package that stopped at TOML 0.5."""

    FM_BOUNDARY = re.compile(r"\+\+\+[ \t]*(?:\n|\Z)")
    START_DELIMITER = END_DELIMITER = "+++"
    _END = re.compile(r"^\+\+\+[ \t]*(?:\n|\Z)", re.MULTILINE)

    def split(self, text: str) -> tuple[str, str]:
        return _cut(text, self._END)

    def read(self, source: str, path: Path, line: int) -> Read:
        data = read_toml(source, path, line)
        return data, _key_lines(source, line, r"[ \t]*(?:\[+[ \t]*)?[\"']?([\w-]+)[\"']?(?:[ \t]*[=.\]])"), {}


class JsonFormat(JSONHandler):
    """From `{` to the `}` that closes it, as Hugo has it."""

    FM_BOUNDARY = re.compile(r"\{\s*(?:\"|\})")
    END_DELIMITER = "}"

    def split(self, text: str) -> tuple[str, str]:
        depth = 0
        for mark in re.finditer(r'"(?:[^"\\\n]|\\.)*"|[{}\[\]]', text):
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(mark[0], 0)
            if depth == 0:
                body = text[mark.end() :]
                return text[: mark.end()], re.sub(r"\A[ \t]*\n", "", body)
        raise ValueError("never closed")

    def read(self, source: str, path: Path, line: int) -> Read:
        data = read_json(source, path, line)
        return data, _key_lines(source, line, r"[ \t{]*\"([^\"\\]+)\"[ \t]*:"), {}


def _cut(text: str, end: re.Pattern[str]) -> tuple[str, str]:
    """What stands between the first line and the line that matches `end`, and what stands after."""
    start = text.find("\n") + 1
    match = end.search(text, start) if start else None
    if match is None:
        raise ValueError("never closed")
    return text[start : match.start()], text[match.end() :]


def _key_lines(source: str, line: int, key: str) -> dict[str, int]:
    lines: dict[str, int] = {}
    pattern = re.compile(key)
    for number, text in enumerate(source.split("\n"), line):
        if match := pattern.match(text):
            lines.setdefault(match[1], number)
    return lines
