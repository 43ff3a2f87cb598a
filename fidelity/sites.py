"""Compare whole sites with what their generators make of them, post by post: `python -m fidelity.sites FOLDER…`.

Jekyll, Hugo, and cmark-gfm for plain folders. For blogs that are on this machine anyway; of
theirs nothing is kept but figures, a row a dialect in fidelity/SITES.md.
Addresses, titles and dates are compared besides what the posts say. `--details FILE` writes each difference out.
"""

import argparse
import difflib
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fidelity.compare import REASONS, UNCLOSED, joined, unclosed
from fidelity.site_oracles import ADDRESS, Built, build_hugo, build_jekyll, build_plain
from fidelity.structure import structure
from newsletter.compose.body import render_body
from newsletter.compose.markdown.convert import fit_for_mail
from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.site.discover import find_posts
from newsletter.site.load import load_site, read_site
from newsletter.site.page import Page, read_page
from newsletter.site.site import Site

_ITSELF = re.compile(r'<a href="([^"]*)"[^>]*>([^<]*)</a>')
_CONTENTS = re.compile(r'<ul id="markdown-toc".*?</ul>(?!\s*</li>)', re.DOTALL)
_CODE = re.compile(r'<figure class="highlight">(.*?)</figure>', re.DOTALL)


NEAR = 0.98
_UNTITLED = "a post without a title is called by its first heading"


@dataclass
class Tally:
    """What came of a site."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--details", type=Path)
    parser.add_argument("--seconds", type=float, default=900, help="for each site; what is left then is not counted")
    parser.add_argument("--most", type=int, default=100_000, help="posts of a site at most")
    chosen = parser.parse_args()
    columns = ("posts", "same", "better", "different", "refused", "not built", "missed", "address", "title", "date")
    print(f"| site | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}", flush=True)
    details = []
    dialects: dict[str, Counter[str]] = {}
    for folder in chosen.folders:
        try:
            kind, tally = compare(folder.resolve(), chosen.most, chosen.seconds)
        except subprocess.TimeoutExpired:
            print(f"| {folder.name} | its generator took over {chosen.seconds:.0f} s |", flush=True)
            continue
        dialects.setdefault(kind, Counter()).update(tally.counts, sites=1)
        print(f"| {folder.name} | {' | '.join(str(tally.counts[name]) for name in columns)} |", flush=True)
        for message, count in tally.refused.most_common(12):
            print(f"    {count} {message}")
        details += [f"##### {folder.name}\n\n{each}" for each in tally.details]
    rows = (
        f"| {' | '.join([kind, *(str(found[name]) for name in ('sites', *columns))])} |"
        for kind, found in sorted(dialects.items())
    )
    table = [f"| dialect | sites | {' | '.join(columns)} |", f"|{'---|' * (len(columns) + 2)}", *rows]
    (Path(__file__).parent / "SITES.md").write_text("\n".join(["# Whole blogs", "", _ABOUT, "", *table]) + "\n")
    if chosen.details:
        chosen.details.write_text("\n\n".join(details))


_ABOUT = """Written by `make fidelity SITES="FOLDER…"`: posts of blogs on that machine beside what Jekyll, Hugo and
cmark-gfm make of them. Refused is what stops with a message; not built is what the generator needs plugins or modules
for."""


def compare(root: Path, most: int, seconds: float) -> tuple[str, Tally]:
    """The kind of the site in `root`, and its posts beside its generator's.

    Raises subprocess.TimeoutExpired where the generator takes longer than `seconds`.
    """
    until = time.monotonic() + seconds
    own = Config().at(root / "newsletter.toml", "")
    site = read_site(root)
    if site.kind == "plain":
        site = load_site(own)  # which knows where a plain folder has its posts
    config = {**site.config, "plugins": [], "gems": []} if site.kind == "jekyll" else site.config  # none of them is run
    site = replace(site, url=site.url or ADDRESS, config=config)
    ours = {path.resolve(): path for path in find_posts(own, site)}
    builders: dict[str, Callable[[], list[Built]]] = {
        "jekyll": lambda: build_jekyll(site.root, seconds),
        "hugo": lambda: build_hugo(root, seconds),
        "plain": lambda: build_plain([read_page(path, site).post for path in ours.values()]),
    }
    built = {one.path.resolve(): one for one in builders[site.kind]()}
    tally = Tally()
    if site.kind == "jekyll":
        tally.counts["missed"] = len([path for path in built if path not in ours])
        tally.details += [f"missed: {path}" for path in built if path not in ours]
    for resolved, path in list(ours.items())[:most]:
        if resolved in built and time.monotonic() < until:
            _one(path, built[resolved], site, tally)
    return site.kind, tally


def _one(path: Path, real: Built, site: Site, tally: Tally) -> None:
    tally.counts["posts"] += 1
    try:
        page = read_page(path, site)
        _facts(page, real, tally)
        if real.error:
            tally.counts["not built"] += 1
            return
        ours = _words(render_body(page), page)
    except NewsletterError as error:
        tally.counts["not built" if real.error else "refused"] += 1
        if not real.error:
            tally.refused[re.sub(r"'[^']*'", "…", error.what)[:120]] += 1
            tally.details.append(f"refused: {path}:{error.line}: {error.what}")
        return
    theirs = _words(fit_for_mail(_CONTENTS.sub("", real.html), page), page)
    if _text(ours) == _text(theirs):
        tally.counts["same"] += 1
        return
    headless = _without_title(theirs, page)
    reason = _UNTITLED if _text(ours) == _text(headless) else _reason(page, ours, headless)
    tally.counts["better" if reason else "different"] += 1
    tally.details.append(
        f"{'better: ' + reason if reason else 'different'}: {path}\n" + "\n".join(_diff(_text(theirs), _text(ours)))
    )


def _without_title(theirs: list[str], page: Page) -> list[str]:
    """What stands behind the first heading, where that is the title because the front matter has none."""
    if page.post.front_matter.get("title") or not theirs or not re.fullmatch(r"h[1-6]\(", theirs[0]):
        return theirs
    return theirs[theirs.index(")") + 1 :]


def _facts(page: Page, real: Built, tally: Tally) -> None:
    found = {
        "address": (unquote(urlsplit(page.url).path), unquote(urlsplit(_under(real.url, page.site)).path)),
        "title": (page.post.title, " ".join(unescape(real.title).split())),
        "date": (page.post.date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if page.post.date else "", real.date),
    }
    for name, (mine, theirs) in found.items():
        if not real.url or (name == "title" and not theirs):
            continue
        if mine != theirs:
            tally.counts[name] += 1
            tally.details.append(f"{name}: {page.post.path}\n  ours {mine!r}\n  real {theirs!r}")


def _under(url: str, site: Site) -> str:
    return site.base_path + url if site.kind == "jekyll" else url


def _words(html: str, page: Page) -> list[str]:
    """The structure; a bare address as a link or as text is the same."""

    def itself(found: re.Match[str]) -> str:
        address = unquote(unescape(found[1])).removeprefix("mailto:")
        shown = unquote(unescape(found[2]))
        return found[2] if (address.partition("://")[2] or address) in shown else found[0]

    plain = page.site.kind == "plain"  # cmark-gfm sets no quotes, and GitHub gives headings their ids elsewhere
    if plain:
        html = html.replace(f'href="{page.url}#', 'href="#')
    return structure(_CODE.sub(r"\1", _ITSELF.sub(itself, html)), typography=not plain, anchors=not plain)


def _text(marks: list[str]) -> list[str]:
    return " ".join(marks).split()


def _reason(page: Page, ours: list[str], theirs: list[str]) -> str:
    """Why they differ, if that can be said of a whole post: both are the same once what is meant is undone.

    What nothing undoes is a reason for two words in a hundred at most; but an element that is never closed for all
    that stands behind it.
    """
    meant = [each for each in REASONS if each.without is None and each.may_be(page.site.kind, page.post.body)]
    undone = [each.undo for each in meant if each.undo is not None]
    mine, real = (joined(marks, undone).split() for marks in (ours, theirs))
    if mine != real:
        near = difflib.SequenceMatcher(None, mine, real, autojunk=False).quick_ratio() >= NEAR
        meant = [each for each in meant if each.undo is None and (near or each.name == UNCLOSED)]
        if not near and meant and not _same_before_unclosed(page, undone, mine, real):
            meant = []
    return "; ".join(each.name for each in meant)


def _same_before_unclosed(
    page: Page, undone: list[Callable[[list[str]], list[str]]], mine: list[str], real: list[str]
) -> bool:
    """Whether both say the same up to the first element that is never closed."""
    start = unclosed(page.post.body)
    try:
        before = render_body(replace(page, post=replace(page.post, body=page.post.body[:start])))
    except NewsletterError:  # its Liquid is cut
        return False
    words = joined(_words(before, page), undone).split()
    while words and words[-1] == ")":
        words.pop()
    return mine[: len(words)] == real[: len(words)] == words


def _diff(theirs: list[str], ours: list[str]) -> Iterable[str]:
    for number, line in enumerate(difflib.unified_diff(theirs, ours, "real", "ours", n=4, lineterm="")):
        if number > 60:
            yield "…"
            return
        yield line[:200]


if __name__ == "__main__":
    main()
