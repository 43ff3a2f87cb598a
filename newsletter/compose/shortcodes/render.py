"""Evaluate Hugo's shortcodes in a post.

What Hugo's own mean in mail is in `builtin`. A site's own, in layouts/shortcodes, is evaluated when it only
puts its arguments and its content in their places, because Go's templates are another program's language; one written
for mail, in email_templates/shortcodes, comes first. Any other is an error with its line.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup

from newsletter.compose.markdown.convert import render_markdown
from newsletter.compose.shortcodes.builtin import EMPTY, Call, render_builtin
from newsletter.compose.shortcodes.go_template import Scope, UnsupportedError, evaluate
from newsletter.errors import NewsletterError
from newsletter.site import hugo
from newsletter.site.page import Page
from newsletter.site.paths import is_inside
from newsletter.site.post import read_text

DEEPEST = 16
"""Shortcodes inside one another at most."""

_CODE = re.compile(
    r"\{\{(?P<mark>[<%])(?P<comment>/\*)?\s*(?P<close>/)?\s*(?P<name>[\w./-]*)"
    r"(?P<rest>(?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|(?!(?:\*/)?\s*[>%]\}\}).)*)(?:\*/)?\s*[>%]\}\}",
    re.DOTALL,
)
_ARGUMENT = re.compile(r"(?:([\w-]+)=)?(?:\"((?:\\.|[^\"\\])*)\"|`([^`]*)`|([^\s\"`]+))")
_BLOCK = re.compile(r"\s*<(?:figure|p|div|section|aside|blockquote|details|table|ul|ol|h[1-6])\b")
FOR_MAIL = "email_templates/shortcodes"
"""Where a site says what its shortcodes are in mail."""


def render_shortcodes(source: str, page: Page, places: dict[str, str] | None = None) -> str:
    """`source`, the post's body from its start, with its shortcodes as Markdown.

    What comes to HTML is put into `places`, if given, under the word that stands for it in the Markdown, as Hugo does
    it: raw HTML in a post may be left out, a shortcode's never is. Raises NewsletterError with the line for one that
    isn't known, isn't closed, or names what isn't there.
    """
    return _Expander(source, page, places).run()


class _Expander:
    def __init__(self, source: str, page: Page, places: dict[str, str] | None) -> None:
        self.source, self.page, self.root, self.places = source, page, page.site.root, places
        self.marks = list(_CODE.finditer(source))

    def run(self) -> str:
        text, rest = self._until(0, 0, "", 0)
        assert rest == len(self.marks)
        return text

    def _until(self, index: int, start: int, closing: str, depth: int) -> tuple[str, int]:
        """The text from offset `start` on, to the closing mark of `closing` or the end; the index of that mark."""
        out: list[str] = []
        while index < len(self.marks):
            mark = self.marks[index]
            out.append(self.source[start : mark.start()])
            start = mark.end()
            if mark["comment"]:
                out.append(re.sub(r"(?<=\{\{[<%])/\*|\*/(?=\s*[>%]\}\}\Z)", "", mark[0]))
                index += 1
                continue
            if mark["close"]:
                if mark["name"] == closing:
                    return "".join(out), index
                raise self._error(mark, f"{{{{< /{mark['name']} >}}}} closes nothing; take it out")
            call = self._call(mark)
            if not mark["rest"].rstrip().endswith("/") and self._is_closed(index):
                if depth >= DEEPEST:
                    raise self._error(mark, "shortcodes inside one another too deep; write it flatter")
                call.inner, index = self._until(index + 1, start, call.name, depth + 1)
                start = self.marks[index].end()
            written = self._render(call, mark)
            # What follows on the next line is a paragraph of its own, no part of the HTML; unless it is the next item.
            alone = not self.source[: mark.start()].rpartition("\n")[2].strip()
            apart = "\n" if alone and _BLOCK.match(written) and self.source.startswith("\n", start) else ""
            if self.places is not None and written.lstrip().startswith("<"):
                word = f"\ue000{len(self.places)}\ue001"
                self.places[word] = written.strip()
                written = word
            out.append(written + apart)
            index += 1
        out.append(self.source[start:])
        return "".join(out), index

    def _is_closed(self, index: int) -> bool:
        """Whether the shortcode at `index` has a closing mark of its own."""
        name, depth = self.marks[index]["name"], 1
        for mark in self.marks[index + 1 :]:
            if mark["name"] == name and not mark["comment"]:
                if mark["close"]:
                    depth -= 1
                    if depth == 0:
                        return True
                elif name not in EMPTY:
                    depth += 1
        return False

    def _call(self, mark: re.Match[str]) -> Call:
        call = Call(mark["name"], self._line(mark))
        for name, quoted, raw, bare in _ARGUMENT.findall(mark["rest"].rstrip().removesuffix("/")):
            value = quoted.replace('\\"', '"').replace("\\\\", "\\") or raw or bare
            if name:
                call.named[name] = value
            else:
                call.positional.append(value)
        return call

    def _render(self, call: Call, mark: re.Match[str]) -> str:
        name = call.name.removesuffix(".html")
        refused = ""
        try:
            for own in self._own(name):
                if own.is_file() and is_inside(self.root, own):
                    try:
                        return evaluate(read_text(own), self._scope(call)).strip("\n")
                    except UnsupportedError as error:
                        refused = refused or f"{own.relative_to(self.root)} uses {error}, which mail can't evaluate"
            written = render_builtin(call, self.page)
            if written is not None:
                return written
        except NewsletterError as error:
            raise self._error(mark, error.what) from None
        if refused:
            what = f"shortcode {name!r}: {refused}; write what it is in mail into {FOR_MAIL}/{name}.html"
            raise self._error(mark, what)
        shown = f"{{{{</* {name} */>}}}}"
        raise self._error(
            mark,
            f"unknown shortcode {name!r}; take it out, write what it is in mail into {FOR_MAIL}/{name}.html, or write "
            f"{shown} to show it as text",
        )

    def _scope(self, call: Call) -> Scope:
        """What a shortcode's template may ask for."""
        page, site = self.page, self.page.site

        def get(key: str | int) -> object:
            return call.named.get(key, "") if isinstance(key, str) else call.get("", key)

        about: dict[str, object] = {
            "Title": page.post.title, "Permalink": page.url, "RelPermalink": page.url, "Params": page.post.front_matter,
            "Date": page.post.date, "Site.BaseURL": site.url + "/", "Site.Title": site.title,
            "Site.Params": hugo.params_of(site.config), "Site.Language.Lang": page.language,
        }  # fmt: skip
        return Scope(
            get=get,
            fields={
                "Inner": Markup(call.inner),  # noqa: S704 (the author's own; all of it is sanitized later)
                "Params": call.named or call.positional,
                "IsNamedParams": bool(call.named),
                "Name": call.name,
                "Ordinal": 0,
                **{f"Page.{key}": value for key, value in about.items()},
                **{key: value for key, value in about.items() if key.startswith("Site.")},
            },
            markdown=lambda text: render_markdown(text, page, self.places),
            absolute=page.absolute,
        )

    def _own(self, name: str) -> Iterator[Path]:
        """Where the site, or its theme, may have a shortcode of this name: written for mail, then for the web."""
        yield self.root / FOR_MAIL / f"{name}.html"
        for above in (self.root, *sorted(self.root.glob("themes/*"))):
            for folder in ("shortcodes", "_shortcodes"):
                yield above / "layouts" / folder / f"{name}.html"

    def _line(self, mark: re.Match[str]) -> int:
        return self.page.post.body_line + self.source.count("\n", 0, mark.start())

    def _error(self, mark: re.Match[str], what: str) -> NewsletterError:
        return NewsletterError(what, path=self.page.post.path, line=self._line(mark))
