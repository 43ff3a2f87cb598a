"""Find Zola's shortcodes in a post, `{{ x(a="1") }}` and `{% x() %}…{% end %}`, and put in what they come to.

A site's own, in templates/shortcodes, are evaluated by `tera`; one written for mail, in email_templates/shortcodes,
comes first; a video's is a link, as Hugo's. Any other is an error with its line. Source: Zola's documentation of
shortcodes, and its grammar of content.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from newsletter.compose.markdown.convert import render_markdown
from newsletter.compose.shortcodes.builtin import Call, render_builtin
from newsletter.compose.shortcodes.go_template import UnsupportedError
from newsletter.compose.shortcodes.render import DEEPEST, FOR_MAIL
from newsletter.compose.shortcodes.tera import TeraScope, evaluate_tera
from newsletter.errors import NewsletterError
from newsletter.site.page import Page
from newsletter.site.paths import is_inside
from newsletter.site.post import read_text

_STRING = r"\"[^\"]{0,20000}\"|'[^']{0,20000}'|`[^`]{0,20000}`"
_MARK = re.compile(
    rf"\{{(?:\{{|(?P<body>%))(?P<shown>/\*)?\s*"
    rf"(?:(?P<name>[A-Za-z_]\w*)\s*\((?P<given>(?:{_STRING}|[^()\"'`]){{0,4000}})\)|(?P<end>(?(body)end|(?!))))"
    r"\s*(?:\*/)?\s*(?(body)%|\})\}"
)
_VALUE = rf"{_STRING}|-?\d+(?:\.\d+)?|[Tt]rue|[Ff]alse"
_ARGUMENT = re.compile(rf"\s*(\w+)\s*=\s*({_VALUE}|\[(?:\s*(?:{_VALUE})\s*,?)*\s*\])\s*,?\s*")
_VIDEOS = frozenset({"youtube", "vimeo"})
_ONE = re.compile(_VALUE)


def render_zola(source: str, page: Page, places: dict[str, str]) -> str:
    """`source`, the post's body from its start, with its shortcodes as Markdown; HTML is put into `places`.

    Raises NewsletterError with the line for one that isn't known, isn't closed, or can't be evaluated.
    """
    return _Uses(source, page, places).run()


class _Uses:
    def __init__(self, source: str, page: Page, places: dict[str, str]) -> None:
        self.source, self.page, self.places = source, page, places
        self.marks = [mark for mark in _MARK.finditer(source) if not self._is_text(mark)]
        self.times: Counter[str] = Counter()

    def run(self) -> str:
        text, index, start = self._until(0, 0, 0)
        if index < len(self.marks):
            raise self._error(self.marks[index], "{% end %} closes nothing; take it out")
        return text + self.source[start:]

    def _until(self, index: int, start: int, depth: int) -> tuple[str, int, int]:
        """The text from offset `start` on, to an `end` or the last mark; its index, and where the rest begins."""
        out: list[str] = []
        while index < len(self.marks):
            mark = self.marks[index]
            out.append(self.source[start : mark.start()])
            start = mark.end()
            if mark["shown"]:
                out.append(mark[0].replace("/*", "", 1).replace("*/", "", 1))
            elif mark["end"]:
                return "".join(out), index, start
            else:
                inner = ""
                if mark["body"]:
                    if depth >= DEEPEST:
                        raise self._error(mark, "shortcodes inside one another too deep; write it flatter")
                    inner, index, start = self._until(index + 1, start, depth + 1)
                    if index == len(self.marks):
                        what = f"{{% {mark['name']}() %}} isn't closed; write {{% end %}} behind it"
                        raise self._error(mark, what)
                out.append(self._placed(self._render(mark, inner)))
            index += 1
        return "".join(out), index, start

    def _placed(self, written: str) -> str:
        if not written.lstrip().startswith("<"):
            return written
        word = f"\ue000{len(self.places)}\ue001"
        self.places[word] = written.strip()
        return word

    def _render(self, mark: re.Match[str], inner: str) -> str:
        name, given = mark["name"], self._arguments(mark)
        if given is None:
            raise self._error(mark, f'shortcode {name!r}: {mark["given"][:40]!r} is no argument; write name="value"')
        self.times[name] += 1
        refused = ""
        for own in self._own(name):
            if own.is_file() and is_inside(self.page.site.root, own):
                scope = self._scope(given, inner, self.times[name])
                try:
                    return evaluate_tera(read_text(own), scope, html=own.suffix == ".html").strip("\n")
                except UnsupportedError as error:
                    place = own.relative_to(self.page.site.root)
                    refused = refused or f"{place} uses {error}, which mail can't evaluate"
        if name in _VIDEOS and not refused:
            usual = render_builtin(Call(name, self._line(mark), [str(given.get("id", ""))]), self.page)
            if usual is not None:
                return usual
        instead = f"write what it is in mail into {FOR_MAIL}/{name}.html"
        if refused:
            raise self._error(mark, f"shortcode {name!r}: {refused}; {instead}")
        shown = f"{{%/* {name}() */%}}" if mark["body"] else f"{{{{/* {name}() */}}}}"
        what = f"unknown shortcode {name!r}; take it out, {instead}, or write {shown} to show it as text"
        raise self._error(mark, what)

    def _is_text(self, mark: re.Match[str]) -> bool:
        """`{{ url_for("x") }}` is text to Zola; of a shortcode that there is, it is a slip."""
        if mark["shown"] or mark["end"] or self._arguments(mark) is not None:
            return False
        return not any(own.is_file() for own in self._own(mark["name"]))

    def _arguments(self, mark: re.Match[str]) -> dict[str, Any] | None:
        """None where they are not all of the form name=value."""
        text, found, at = mark["given"].strip(), {}, 0
        while at < len(text):
            match = _ARGUMENT.match(text, at)
            if match is None:
                return None
            value = match[2]
            found[match[1]] = list(map(_literal, _ONE.findall(value))) if value[0] == "[" else _literal(value)
            at = match.end()
        return found

    def _scope(self, given: dict[str, Any], inner: str, times: int) -> TeraScope:
        page, site = self.page, self.page.site
        post, config = page.post, site.other.settings if site.other is not None else {}

        def url(path: str) -> str:
            return page.absolute(path) if path.startswith("@/") or "://" in path else f"{site.url}/{path.lstrip('/')}"

        about = {
            "title": post.title, "permalink": page.url, "path": page.path, "slug": post.slug, "lang": page.language,
            "description": post.front_matter.get("description", ""), "extra": post.front_matter.get("extra", {}),
        }  # fmt: skip
        values = {"page": about, "config": {**config, "base_url": site.url}, "lang": page.language, "nth": times}
        values |= {**given, **({"body": inner.strip()} if inner else {})}
        return TeraScope(values, lambda text: render_markdown(text, page, self.places), url)

    def _own(self, name: str) -> Iterator[Path]:
        """Where the site, or its theme, may have a shortcode of this name: written for mail, then for the web."""
        root = self.page.site.root
        yield root / FOR_MAIL / f"{name}.html"
        for above in (root, *sorted(root.glob("themes/*"))):
            for ending in (".html", ".md"):
                yield above / "templates/shortcodes" / (name + ending)

    def _line(self, mark: re.Match[str]) -> int:
        return self.page.post.body_line + self.source.count("\n", 0, mark.start())

    def _error(self, mark: re.Match[str], what: str) -> NewsletterError:
        return NewsletterError(what, path=self.page.post.path, line=self._line(mark))


def _literal(text: str) -> object:
    if text[0] in "\"'`":
        return text[1:-1]
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    return float(text) if "." in text else int(text)
