"""Tags of Jekyll's well-known plugins and of Octopress, with what they mean in mail.

Players become links. What only matters on a page (`seo`, `feed_meta`) is nothing.
"""

import re
from html import escape

from liquid import Environment, RenderContext, Token

from newsletter.compose.html.sanitize import video_link
from newsletter.compose.liquid.nodes import BlockTag, InlineTag, add_block, add_inline, evaluate, value_of
from newsletter.compose.markdown.highlight import fence
from newsletter.errors import NewsletterError

_NOTHING = frozenset({
    "seo", "feed_meta", "csrf_meta_tags", "toc", "octicon", "render_time", "jekyll_version", "github_edit_link",
    "last_modified_at", "paginate", "stylesheet", "favicon", "turbo", "polyglot",
})  # fmt: skip


def add_plugins(environment: Environment) -> None:
    """Give `environment` the tags."""
    for name, render in _INLINE.items():
        add_inline(environment, name, render)
    for name in _NOTHING:
        add_inline(environment, name, lambda context, markup, token: "")
    for name, block in _BLOCKS.items():
        add_block(environment, name, block)


def _youtube(context: RenderContext, markup: str, token: Token) -> str:
    word = _word(context, markup)
    address = word if "://" in word else f"https://www.youtube.com/embed/{word}"
    return f"\n\n{video_link(address.replace('watch?v=', 'embed/'))}\n\n" if word else ""


def _vimeo(context: RenderContext, markup: str, token: Token) -> str:
    word = _word(context, markup)
    return f"\n\n{video_link(word if '://' in word else f'https://player.vimeo.com/video/{word}')}\n\n" if word else ""


def _gist(context: RenderContext, markup: str, token: Token) -> str:
    word = _word(context, markup)
    return f'\n\n<p><a href="https://gist.github.com/{escape(word)}">See the code on GitHub</a></p>\n\n' if word else ""


def _tweet(context: RenderContext, markup: str, token: Token) -> str:
    word = _word(context, markup)
    return f'\n\n<p><a href="{escape(word)}">See the post on X</a></p>\n\n' if "://" in word else ""


def _avatar(context: RenderContext, markup: str, token: Token) -> str:
    word = _word(context, markup)
    if not re.fullmatch(r"[\w-]+", word):
        return ""
    return f'<img src="https://github.com/{word}.png?size=40" alt="{word}" width="40" height="40">'


def _image(context: RenderContext, markup: str, token: Token) -> str:
    """Octopress's `{% img [class] /path.png [width [height]] ["title" ["alt"]] %}`."""
    match = re.match(
        r"(?:[\w ]+?\s+)??((?:https?:|/|\S+/)\S+)(?:\s+(\d+))?(?:\s+(\d+))?(?:\s+[\"']?(.*?)[\"']?)?\s*\Z", markup
    )
    if match is None:
        raise NewsletterError("img names no picture; write {% img /path/to/picture.png %}")
    size = "".join(f' {name}="{value}"' for name, value in (("width", match[2]), ("height", match[3])) if value)
    text = re.split(r"[\"']\s+[\"']", match[4] or "")[-1]
    return f'<img src="{escape(match[1])}" alt="{escape(text)}"{size}>'


def _word(context: RenderContext, markup: str) -> str:
    """A tag's first word: in quotes, bare, or a variable's value."""
    text = evaluate(context, markup) if "{{" in markup else markup
    word = text.split()[0] if text.split() else ""
    if word[:1] in "\"'":
        return word.strip("\"'")
    if re.fullmatch(r"(?:page|site|include)\.[\w.\[\]-]+", word):
        value = value_of(context, word)
        return value if isinstance(value, str) else ""
    return word


def _codeblock(context: RenderContext, markup: str, code: str) -> str:
    language = re.search(r"\blang:(\S+)", markup)
    return "\n" + fence(language[1] if language else "", code)


def _quote(context: RenderContext, markup: str, text: str) -> str:
    lines = "\n".join(f"> {line}" for line in text.strip().split("\n"))
    source = f"\n>\n> — {markup.strip()}" if markup.strip() else ""
    return f"\n{lines}{source}\n"


def _as_it_is(context: RenderContext, markup: str, text: str) -> str:
    return text


_INLINE: dict[str, InlineTag] = {
    "gist": _gist,
    "youtube": _youtube,
    "vimeo": _vimeo,
    "twitter": _tweet,
    "tweet": _tweet,
    "avatar": _avatar,
    "img": _image,
}
_BLOCKS: dict[str, BlockTag] = {
    "codeblock": _codeblock,
    "blockquote": _quote,
    "pullquote": _as_it_is,
}
