"""Read YAML, TOML and JSON that a stranger may have written.

Within bounds (size, depth, aliases, no tags), text for keys, and with the line of the file in every error. A key that
stands twice counts as its generator has it: the last one in YAML (Jekyll), an error in TOML and JSON. YAML 1.1 as
PyYAML's safe loader has it, TOML 1.0 by tomllib, JSON by RFC 8259. Where such texts stand is `front_matter`'s business.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from newsletter.config.toml import MOST_DIGITS, refuse_unbounded
from newsletter.errors import NewsletterError

DEEPEST = 32
"""Lists and mappings inside one another at most."""
MOST_VALUES = 20_000
"""Values in front matter at most, each alias counted with all that it repeats."""

_SAFE_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map", "timestamp")
}
_SURROGATE = re.compile("[\ud800-\udfff]")

Read = tuple[dict[str, Any], dict[str, int], dict[str, Any]]
"""Data, the line of each top-level key, scalars as written."""


def read_yaml_mapping(source: str, path: Path, line: int = 1, most: int = MOST_VALUES) -> Read:
    """A YAML document that is a mapping (or empty), its keys made text. `source` starts on `line` of `path`."""
    node = _compose(source, path, line, most)
    if node is None:
        return {}, {}, {}
    if not isinstance(node, yaml.MappingNode):
        raise NewsletterError("is not `key: value` pairs; write one pair a line", path=path, line=_line(node, line))
    data = _construct(node, path, line)
    pairs = [(key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]
    lines = {key.value: _line(key, line) for key, _ in pairs}
    return data, lines, {key.value: _written(value) for key, value in pairs}


def read_yaml(source: str, path: Path, most: int = 50 * MOST_VALUES) -> Any:
    """Any YAML document, within the same bounds but for `most` values: configuration and data of a site."""
    node = _compose(source, path, 1, most)
    return None if node is None else _construct(node, path, 1)


def read_toml(source: str, path: Path, line: int = 1) -> dict[str, Any]:
    """A TOML document; `source` starts on `line` of `path`."""
    refuse_unbounded(source, path, line)
    try:
        data = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        last = source.count("\n", 0, len(source.rstrip())) + 1
        what = re.sub(r" \(at (line \d+, column \d+|end of document)\)", "", str(error))
        found = line - 1 + (min(int(at[1]), last) if at else last)
        raise NewsletterError(f"{what}; fix the TOML", path=path, line=found) from None
    except RecursionError:
        raise _too_deep(path, line) from None
    except ValueError as error:  # a date that isn't one
        raise NewsletterError(f"{error}; fix the TOML", path=path, line=line) from None
    _bound(data, path, line)
    return data


def read_json(source: str, path: Path, line: int = 1) -> Any:
    """A JSON document; `source` starts on `line` of `path`."""
    try:
        data = json.loads(source, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        what = error.msg[0].lower() + error.msg[1:]
        raise NewsletterError(f"{what}; fix the JSON", path=path, line=line + error.lineno - 1) from None
    except _DuplicateKeyError as error:
        found = [match.start() for match in re.finditer(re.escape(json.dumps(error.key)), source)]
        at = source.count("\n", 0, found[1]) if len(found) > 1 else 0
        raise _duplicate(error.key, path, line + at) from None
    except RecursionError:
        raise _too_deep(path, line) from None
    except ValueError:  # Python's own bound on digits
        long = re.search(rf"\d{{{MOST_DIGITS},}}", source)
        raise _too_many_digits(path, line + source.count("\n", 0, long.start() if long else 0)) from None
    _bound(data, path, line)
    return data


class _DuplicateKeyError(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        names = [key for key, _ in pairs]
        raise _DuplicateKeyError(next(name for name in names if names.count(name) > 1))
    return data


_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _compose(source: str, path: Path, line: int, most: int) -> yaml.Node | None:
    """The node graph of `source`, checked before anything is built from it."""
    try:
        depth = 0
        for event in yaml.parse(source, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEEPEST:
                    raise _too_deep(path, line + _mark(event))
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            tag = getattr(event, "tag", None)
            if tag is not None and tag != "!" and tag not in _SAFE_TAGS:
                short = tag.replace("tag:yaml.org,2002:", "!!")
                raise NewsletterError(
                    f"the YAML tag {short} is not allowed; write the value without it",
                    path=path, line=line + _mark(event),
                )  # fmt: skip
        node = yaml.compose(source, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        at = line + source.count("\n", 0, error.position) if isinstance(error.position, int) else line
        raise NewsletterError("holds a control character; take it out", path=path, line=at) from None
    except yaml.MarkedYAMLError as error:
        if "nesting" in str(error.problem):  # newer libyaml has a bound of its own
            raise _too_deep(path, line + (error.problem_mark.line if error.problem_mark else 0)) from None
        raise _yaml_error(error, path, line, source) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise NewsletterError(f"{error}; fix the YAML", path=path, line=line) from None
    if node is not None:
        _weigh(node, {}, path, line, most)
    return node


def _weigh(node: yaml.Node, seen: dict[int, int | None], path: Path, line: int, most: int) -> int:
    """How many values `node` stands for when every alias is written out."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag.endswith(":int") and len(node.value) > MOST_DIGITS:
            raise _too_many_digits(path, _line(node, line))
        return 1
    known = seen.get(id(node), 0)
    if known is None:
        raise NewsletterError("an alias holds itself; write the value out", path=path, line=_line(node, line))
    if known:
        return known
    seen[id(node)] = None
    pairs = isinstance(node, yaml.MappingNode)
    children = [child for pair in node.value for child in pair] if pairs else node.value
    total = 1
    for child in children:
        total += _weigh(child, seen, path, line, most)
        if total > most:
            what = f"more than {most:,} values, aliases written out; take them out"
            raise NewsletterError(what, path=path, line=_line(child, line))
    seen[id(node)] = total
    return total


def _construct(node: yaml.Node, path: Path, line: int) -> Any:
    loader = yaml.SafeLoader("")
    _keep_wrong_dates(node)
    try:
        return _plain(loader.construct_document(node), path, line)
    except yaml.MarkedYAMLError as error:
        raise _yaml_error(error, path, line, "") from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise NewsletterError(f"{error}; fix the YAML", path=path, line=_line(node, line)) from None
    finally:
        loader.dispose()


def _keep_wrong_dates(node: yaml.Node) -> None:
    """A date that isn't on the calendar stays text, so that whoever wants a date can say which key is wrong."""
    stack = [node]
    seen: set[int] = set()
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, yaml.MappingNode):
            stack.extend(child for pair in current.value for child in pair)
        elif isinstance(current, yaml.SequenceNode):
            stack.extend(current.value)
        elif isinstance(current, yaml.ScalarNode) and current.tag == "tag:yaml.org,2002:timestamp":
            try:
                yaml.SafeLoader("").construct_yaml_timestamp(current)
            except (ValueError, OverflowError, AttributeError):
                current.tag = "tag:yaml.org,2002:str"


def _yaml_error(error: yaml.MarkedYAMLError, path: Path, line: int, source: str) -> NewsletterError:
    mark = error.problem_mark or error.context_mark
    at = mark.line if mark is not None else 0
    if mark is not None and at >= len(source.splitlines()) > 0 and error.context_mark is not None:
        at = error.context_mark.line  # "found end of stream": where it began says more
    what = error.problem or error.context or "is not YAML"
    hint = "put quotes around the value" if "mapping values are not allowed" in what else "fix the YAML"
    if "tab character" in what:
        hint = "indent with spaces"
    if "cannot start any token" in what:
        hint = "indent with spaces, and put quotes around a value that starts with a sign"
    last = max(len(source.splitlines()) - 1, 0)
    return NewsletterError(f"{what}; {hint}", path=path, line=line + (min(at, last) if source else at))


def _plain(value: Any, path: Path, line: int) -> Any:
    """`value` with text for keys, whatever they were; text that isn't Unicode is refused."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _plain(item, path, line) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, path, line) for item in value]
    if isinstance(value, str) and _SURROGATE.search(value):
        raise NewsletterError("holds half a character (a lone surrogate); take it out", path=path, line=line)
    return value


def _written(node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return "" if node.tag == "tag:yaml.org,2002:null" else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_written(item) for item in node.value if isinstance(item, yaml.ScalarNode)]
    return None


def _line(node: yaml.Node, line: int) -> int:
    return line + _mark(node)


def _mark(thing: yaml.Node | yaml.Event) -> int:
    return int(thing.start_mark.line) if thing.start_mark is not None else 0


def _bound(data: Any, path: Path, line: int) -> None:
    """Refuse what is nested too deep or isn't Unicode."""
    stack = [(data, 1)]
    while stack:
        value, depth = stack.pop()
        if depth > DEEPEST + 1:
            raise _too_deep(path, line)
        if isinstance(value, dict):
            stack.extend((item, depth + 1) for item in value.values())
            stack.extend((item, depth + 1) for item in value)
        elif isinstance(value, list):
            stack.extend((item, depth + 1) for item in value)
        elif isinstance(value, str) and _SURROGATE.search(value):
            raise NewsletterError("holds half a character (a lone surrogate); take it out", path=path, line=line)


def _too_deep(path: Path, line: int) -> NewsletterError:
    return NewsletterError(f"nested more than {DEEPEST} deep; write it flatter", path=path, line=line)


def _too_many_digits(path: Path, line: int) -> NewsletterError:
    return NewsletterError(f"a number of more than {MOST_DIGITS:,} digits; put quotes around it", path=path, line=line)


def _duplicate(key: str, path: Path, line: int) -> NewsletterError:
    return NewsletterError(f"the key {key!r} stands here a second time; keep one", path=path, line=line)
