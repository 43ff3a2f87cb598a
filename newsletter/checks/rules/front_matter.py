"""What the post's front matter says: keys that mean nothing because of a slip, and keys that keep it off its site."""

import difflib
from collections.abc import Iterator

from newsletter.checks.rule import Check, Violation
from newsletter.checks.sample import Sample
from newsletter.site.post import KEYS
from newsletter.site.publication import why_withheld

_GENERATORS = frozenset({
    "_build", "aliases", "alt", "audio", "author_image", "author_picture", "author_url", "avatar", "cascade",
    "comments", "dates", "feature_image", "featured", "header", "keywords", "last_modified_at", "lastmod",
    "linktitle", "markup", "math", "menu", "menus", "outputs", "params", "picture", "pin", "pubdate",
    "redirect_from", "render_with_liquid", "resources", "series", "sitemap", "sticky", "tagline", "thumbnail",
    "toc", "translationkey", "type", "types", "unpublishdate", "videos", "weight",
})  # fmt: skip
"""Keys of Jekyll, Hugo and their themes that are near to ours, and mean what they say."""
_MEANT = {"personalise": "personalize", "colour": "color", "titel": "title", "subtitel": "subtitle"}
_NEAR = 0.78  # of difflib: `tilte` is `title`; `data` is no `date`


def front_matter(sample: Sample) -> Iterator[Violation]:
    if sample.page is None:
        return
    post, cased = sample.page.post, sample.page.site.kind == "jekyll"
    lower = {key.lower(): key for key in KEYS}
    for key in map(str, post.front_matter):
        if key in KEYS or key.lower() in _GENERATORS or (not cased and key.lower() in lower):
            continue
        meant = lower.get(key.lower()) or _MEANT.get(key.lower()) or _nearest(key)
        if meant and meant not in post.front_matter:
            what = f"the front matter's {key!r} means nothing here; did you mean {meant!r}?"
            yield Violation("warning", what, sample.sources.key(key))


def _nearest(key: str) -> str:
    return next(iter(difflib.get_close_matches(key.lower(), KEYS, n=1, cutoff=_NEAR)), "")


def unpublished(sample: Sample) -> Iterator[Violation]:
    if sample.page is None or sample.now is None:
        return
    withheld = why_withheld(sample.page, sample.now)
    if withheld is not None:
        root = sample.config.root if sample.config else withheld.path.parent
        path = withheld.path
        source = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        hint = f"{withheld.mend[0].upper()}{withheld.mend[1:]}; a live send asks for --force until then."
        yield Violation("warning", withheld.reason, (source, withheld.line or 1), hint=hint)


FRONT_MATTER = (
    Check(
        "front-matter", front_matter,
        {"warning": "a key that is nearly one that means something, such as `tilte` or `personalise`"},
        "What the key was to do is not done: a post goes out without its subtitle, or is not personalized.",
        "Write the key as suggested, or give your own key a name of its own.",
        "https://gohugo.io/content-management/front-matter/",
    ),
    Check(
        "unpublished", unpublished,
        {"warning": "a draft, a date to come, or whatever else keeps the post off its site now"},
        "“Read it on the web” leads nowhere; or a text goes out that was not meant to.",
        "Publish the post first.",
        "https://gohugo.io/content-management/front-matter/#publishdate",
    ),
)  # fmt: skip
