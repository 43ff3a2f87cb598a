"""What a site wants of its Markdown: which grammar, and the settings of its generator that change what a post says.

Sources: Hugo's `markup` configuration (goldmark), Jekyll's `markdown`, `kramdown` and `plugins`.
"""

from dataclasses import dataclass
from typing import Any, Literal

from newsletter.site import hugo
from newsletter.site.others import Generator
from newsletter.site.site import Site

QUOTES = "‘’“”"
SYMBOLS = {"mdash": "—", "ndash": "–", "hellip": "…", "laquo": "«", "raquo": "»",
           "laquo_space": "«\u00a0", "raquo_space": "\u00a0»"}  # fmt: skip
"""kramdown's names for what typography sets."""
_MARKDOWN_ITS = (("laquo", "<<"), ("raquo", ">>"), ("laquo_space", "<< "), ("raquo_space", " >>"))
"""markdown-it's typographer knows no guillemets."""
_ASTROS = (("ndash", "—"), ("mdash", "---"), *_MARKDOWN_ITS)
"""remark-smartypants, as Astro sets it up: two hyphens are a long dash, three stay, and there are no guillemets."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """One way to read Markdown."""

    name: Literal["kramdown", "commonmark"]
    kramdown: bool = False  # kramdown's own marks: attributes, extensions, mathematics
    unsafe: bool = True  # raw HTML is kept
    linkify: bool = True
    definitions: bool = True  # of CommonMark: lists of terms and what they mean
    hard_wrap: bool = False
    emoji: bool = False
    typography: Literal["kramdown", "goldmark", ""] = "kramdown"
    gfm: bool = True  # of kramdown: its GFM parser's fences, strikes and tasks
    lists_in_paragraphs: bool = False  # of kramdown: lists, headings and quotes end no paragraph
    attributes: bool = False  # of goldmark: a line of them behind a block
    goldmark: bool = False  # Hugo's own word of what a bare address is, and of `<!--more-->`
    signs: bool = True  # of typography: dashes, ellipses and guillemets, not quotes alone
    symbols: tuple[tuple[str, str], ...] = ()  # of kramdown: what the site writes for a sign
    markdown_in_html: bool = False  # of kramdown: in every element, not only where markdown="1" says so
    codehilite: bool = False  # python-markdown's: the first line of indented code may name its language
    pulldown: bool = False  # Zola's: ids of headings are slugs, and one tilde strikes out too
    quotes: str = QUOTES  # single and double, opening and closing


def grammar_of(site: Site) -> Grammar:
    """The grammar of a site's posts."""
    if site.kind == "hugo":
        return _hugo(site.config)
    if site.kind == "jekyll":
        return _jekyll(site.config)
    if site.other is not None:
        return _other(site.other)
    return Grammar("commonmark", kramdown=True)


def _other(generator: Generator) -> Grammar:
    """Zola's pulldown-cmark and Eleventy's markdown-it set no quotes and link no bare addresses unless told; Astro's
    remark does both; Pelican's python-markdown has attributes and definitions, of which Zola may be told."""
    markdown = generator.settings.get("markdown") if generator.name in {"zola", "eleventy"} else None
    own = markdown if isinstance(markdown, dict) else {}
    smart = generator.name == "astro" or own.get("smart_punctuation") is True or own.get("typographer") is True
    symbols = {"astro": _ASTROS, "eleventy": _MARKDOWN_ITS}
    return Grammar(
        "commonmark",
        kramdown=generator.name == "pelican",
        codehilite=generator.name == "pelican",
        definitions=generator.name == "pelican" or own.get("definition_list") is True,
        pulldown=generator.name == "zola",
        linkify=generator.name == "astro" or own.get("linkify") is True,
        hard_wrap=own.get("breaks") is True,
        emoji=own.get("render_emoji") is True,
        typography="kramdown" if smart else "",
        symbols=symbols.get(generator.name, ()),
    )


def _hugo(config: Any) -> Grammar:
    def setting(*path: str, default: object) -> object:
        return hugo.setting(config, "markup", "goldmark", *path, default=default)

    typographer = setting("extensions", "typographer", default=True)
    if isinstance(typographer, dict):
        typographer = not hugo.setting(typographer, "disable", default=False)
    return Grammar(
        "commonmark",
        goldmark=True,
        attributes=setting("parser", "attribute", "block", default=False) is True,
        unsafe=setting("renderer", "unsafe", default=False) is True,
        definitions=setting("extensions", "definitionList", default=True) is not False,
        linkify=setting("extensions", "linkify", default=True) is not False,
        hard_wrap=setting("renderer", "hardWraps", default=False) is True,
        emoji=hugo.setting(config, "enableEmoji", default=False) is True,
        typography="goldmark" if typographer else "",
    )


def _jekyll(config: Any) -> Grammar:
    plugins = [*_names(config.get("plugins")), *_names(config.get("gems"))]
    emoji = "jemoji" in plugins
    if "commonmark" in str(config.get("markdown") or "").lower():
        options = config.get("commonmark")
        chosen = [str(word).upper() for word in _names(options.get("options"))] if isinstance(options, dict) else []
        return Grammar(
            "commonmark",
            unsafe="UNSAFE" in chosen or "ghpages" in str(config["markdown"]).lower(),
            definitions=False,
            hard_wrap="HARDBREAKS" in chosen,
            emoji=emoji,
            typography="goldmark" if "SMART" in chosen else "",
        )
    kramdown = config.get("kramdown")
    own = kramdown if isinstance(kramdown, dict) else {}
    quirks = _names(own.get("gfm_quirks"))
    gfm = str(own.get("input") or "GFM").lower() != "kramdown"
    return Grammar(
        "kramdown",
        kramdown=True,
        gfm=gfm,
        lists_in_paragraphs=not gfm or ("gfm_quirks" in own and "paragraph_end" not in quirks),
        hard_wrap=own.get("hard_wrap") is True,
        emoji=emoji,
        signs=not gfm or "no_auto_typographic" not in quirks,
        symbols=_symbols(own.get("typographic_symbols")),
        markdown_in_html=own.get("parse_block_html") is True,
        quotes=_quotes(own.get("smart_quotes")),
    )


def _quotes(written: object) -> str:
    """kramdown's `smart_quotes`: four names or numbers of characters; `apos,apos,quot,quot` keeps quotes straight."""
    from html import unescape

    names = [name.strip() for name in written.split(",")] if isinstance(written, str) else _names(written)
    if len(names) != 4:
        return QUOTES
    marks = [unescape(f"&#{name};" if name.isdigit() else f"&{name};") for name in names]
    return "".join(marks) if all(len(mark) == 1 for mark in marks) else QUOTES


def _symbols(written: object) -> tuple[tuple[str, str], ...]:
    """kramdown's `typographic_symbols`: `hellip: ...`, by the names of characters."""
    pairs = written.items() if isinstance(written, dict) else ()
    return tuple((str(name), str(text)) for name, text in pairs if str(name) in SYMBOLS)


def _names(value: object) -> list[str]:
    if isinstance(value, str):
        return [word.strip() for word in value.split(",")]
    return [str(word) for word in value] if isinstance(value, list) else []
