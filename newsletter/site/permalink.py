"""Where a post stands on the web: Jekyll's and Hugo's permalink patterns, filled in.

Pure: a pattern and a post give a path such as `/2018/07/01/hello/`, percent-encoded. Which pattern holds, and under
which address the path stands, is `page`'s business. Sources: Jekyll's url.rb and url_drop.rb, Hugo's permalinks.go.
"""

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from urllib.parse import quote, unquote

from newsletter.errors import NewsletterError
from newsletter.site.post import Post
from newsletter.site.slug import slugify, split_name

STYLES: Mapping[str, str] = {
    "date": "/:categories/:year/:month/:day/:title:output_ext",
    "pretty": "/:categories/:year/:month/:day/:title/",
    "ordinal": "/:categories/:year/:y_day/:title:output_ext",
    "weekdate": "/:categories/:year/W:week/:short_day/:title:output_ext",
    "none": "/:categories/:title:output_ext",
}
"""Jekyll's named permalinks."""

_KEPT = "/-._~!$&'()*+,;=:@"
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_DATE: Mapping[str, Callable[[datetime], str]] = {
    "year": lambda d: f"{d.year:04}",
    "month": lambda d: f"{d.month:02}",
    "day": lambda d: f"{d.day:02}",
    "hour": lambda d: f"{d.hour:02}",
    "minute": lambda d: f"{d.minute:02}",
    "second": lambda d: f"{d.second:02}",
    "i_day": lambda d: str(d.day),
    "i_month": lambda d: str(d.month),
    "short_month": lambda d: _MONTHS[d.month - 1][:3],
    "long_month": lambda d: _MONTHS[d.month - 1],
    "short_year": lambda d: f"{d.year % 100:02}",
    "y_day": lambda d: f"{d.timetuple().tm_yday:03}",
    "w_year": lambda d: str(d.isocalendar().year),
    "week": lambda d: f"{d.isocalendar().week:02}",
    "w_day": lambda d: str(d.isoweekday()),
    "short_day": lambda d: _DAYS[d.weekday()][:3],
    "long_day": lambda d: _DAYS[d.weekday()],
    # Hugo's names
    "monthname": lambda d: _MONTHS[d.month - 1].lower(),
    "weekday": lambda d: str(d.isoweekday() % 7),
    "weekdayname": lambda d: _DAYS[d.weekday()].lower(),
    "yearday": lambda d: str(d.timetuple().tm_yday),
}


_JEKYLL = (
    "title",
    "slug",
    "name",
    "categories",
    "slugified_categories",
    "path",
    "basename",
    "collection",
    "output_ext",
)
_HUGO = (
    "section", "sections", "title", "slug", "filename", "slugorfilename", "contentbasename", "slugorcontentbasename",
)  # fmt: skip


def check_pattern(pattern: str, *, hugo: bool) -> None:
    """Raise NewsletterError for a pattern with a token, or a style, that nobody knows; it names the nearest."""
    known = [*(_HUGO if hugo else _JEKYLL), *_DATE]
    if not hugo and pattern and not re.search(r"[/:]", pattern) and pattern not in STYLES:
        near = difflib.get_close_matches(pattern, STYLES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"write tokens, as in /:year/:title/, or {', '.join(STYLES)}"
        raise NewsletterError(f"{pattern!r} is no permalink; {hint}")
    for name in re.findall(r":([a-z]+)" if hugo else r":([a-z_]+)", pattern):
        if name in known or name.rstrip("_") in known:
            continue
        near = difflib.get_close_matches(name.rstrip("_"), known, n=1, cutoff=0.5)
        hint = f"did you mean ':{near[0]}'?" if near else f"known: {', '.join(f':{token}' for token in known[:8])} …"
        raise NewsletterError(f"':{name}' in {pattern!r} is no placeholder; {hint}")


def jekyll_path(pattern: str, post: Post, date: datetime | None, relative: PurePosixPath, collection: str = "") -> str:
    """The path of a Jekyll document, or empty where the pattern wants a date and there is none.

    `relative` is the file's path in its collection (`_posts`, or the folder of another one); categories that come
    from folders above `_posts` are the caller's to add to the post.
    """
    stem = relative.stem
    slug = str(post.front_matter.get("slug") or split_name(stem)[1].rstrip("."))
    values = {
        "title": slugify(slug, "pretty", cased=True) or slugify(stem, "pretty", cased=True),
        "slug": slugify(slug) or slugify(stem),
        "name": slugify(stem),
        "categories": "/".join(dict.fromkeys(category.lower() for category in post.categories)),
        "slugified_categories": "/".join(dict.fromkeys(slugify(category) for category in post.categories)),
        "path": str(relative.with_suffix("")),
        "basename": stem,
        "collection": collection,
        "output_ext": ".html",
    }
    filled = _fill(STYLES.get(pattern, pattern), values, date, r":([a-z_]+)")
    if filled is None:
        return ""
    return re.sub(r"/{2,}", "/", re.sub(r"\./", "", "/" + filled.replace("..", "/")))


def hugo_path(
    pattern: str, post: Post, date: datetime | None, relative: PurePosixPath, sections: Sequence[str], *,
    lower: bool = True,
) -> str:  # fmt: skip
    """The path of a Hugo page; `relative` is its file in the content folder. An empty pattern follows the folders.

    `sections` are those of the folders above that are sections: the first one, and others with an `_index.md`.
    """
    bundle = relative.stem in {"index", "_index"}
    place = relative.parent if bundle else relative.with_suffix("")
    name = place.name
    slug = str(post.front_matter.get("slug") or "")
    title, named = _urlize(post.title, lower), _urlize(slug, lower)
    values = {
        "section": sections[0] if sections else "",
        "sections": "/".join(sections),
        "title": title.removesuffix("#"),  # an empty fragment is none
        "slug": (named or title).removesuffix("#"),
        "filename": name,
        "slugorfilename": named or name,
        "contentbasename": name,
        "slugorcontentbasename": named or name,
    }
    if pattern:
        filled = _fill(pattern, values, date, r":([a-z]+)")
        if filled is None:
            return ""
        path = quote(_urlize(filled.replace("+", " "), lower), safe=_KEPT)  # read as a query is: a plus is a blank
    else:
        path = quote(_urlize("/".join([*place.parent.parts, named or name]), lower), safe=_KEPT) + "/"
    return re.sub(r"/{2,}", "/", "/" + path)


def _fill(pattern: str, values: Mapping[str, str], date: datetime | None, token: str) -> str | None:
    """`pattern` with its tokens filled, or None where it needs a date and there is none; unknown tokens stay."""
    missing = False

    def fill(match: re.Match[str]) -> str:
        nonlocal missing
        name = match[1]
        # Jekyll's `:month_:day`: an underscore that ends a token stands for itself.
        for key in (name, name.rstrip("_")):
            rest = name[len(key) :]
            if key in values:
                return quote(values[key], safe=_KEPT) + rest
            if key in _DATE:
                missing = missing or date is None
                return "" if date is None else _DATE[key](date) + rest
        return match[0]

    filled = re.sub(token, fill, pattern)
    return None if missing else filled


def _urlize(text: str, lower: bool) -> str:
    """Hugo's UnicodeSanitize and urlize: letters, marks, digits and a few signs; a hyphen for blanks between them."""
    found: list[str] = []
    blank = False
    text = unquote(text)
    for character in text.lower() if lower else text:
        if character in "./\\_#+~-@" or unicodedata.category(character)[0] in "LM" or character.isdecimal():
            if blank and character != "-":
                found.append("-")
            found.append(character)
            blank = False
        elif character.isspace() and found and found[-1] != "-":
            blank = True
    return "".join(found)
