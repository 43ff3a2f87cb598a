"""Jekyll's Liquid tags, and those that a site has written for its mail.

`include` and its relatives read files of the site alone. Code goes out as a fence, which Markdown colours. A tag that
nobody knows is an error. Source: Jekyll's lib/jekyll/tags.
"""

import re
from pathlib import Path

from liquid import Environment, RenderContext, Token, TokenStream
from liquid.ast import IllegalNode, Node
from liquid.builtin.illegal import Illegal
from liquid.builtin.tags.capture_tag import CaptureNode, CaptureTag
from liquid.exceptions import LiquidSyntaxError
from liquid.parser import get_parser
from liquid.tag import Tag
from liquid.token import TOKEN_EOF, TOKEN_EXPRESSION, TOKEN_TAG

from newsletter.compose.liquid.nodes import (
    BlockNode,
    InlineNode,
    add_block,
    add_inline,
    evaluate,
    render_file,
    scene_of,
    value_of,
)
from newsletter.compose.liquid.plugins import add_plugins
from newsletter.compose.markdown.highlight import fence
from newsletter.errors import NewsletterError
from newsletter.site.jekyll import POSTS
from newsletter.site.page import read_page
from newsletter.site.paths import inside, is_inside
from newsletter.site.post import read_text

OWN_TAGS = "email_templates/tags"
"""Where a site says what its plugins' tags are in mail: a file of Liquid a tag."""

_PARAMETER = re.compile(
    r"([\w-]+)\s*=\s*(?:\"([^\"\\]*(?:\\.[^\"\\]*)*)\"|'([^'\\]*(?:\\.[^'\\]*)*)'|([^\s,=\"'][^\s,]*))[\s,]*"
)
_FILE = re.compile(r"\s*((?:[^\s{]|\{\{.*?\}\}|\{(?!\{))+)\s*(.*)\Z", re.DOTALL)


class UnknownTag(LiquidSyntaxError):  # noqa: N818 (named for what it is)
    """A tag that nobody here knows; its message is the tag's name."""


def add_tags(environment: Environment, root: Path) -> None:
    """Give `environment` the tags, and those that the site in `root` has written for its mail."""
    add_plugins(environment)
    add_inline(environment, "include", _include)
    add_inline(environment, "include_cached", _include)
    add_inline(environment, "include_relative", _include_relative)
    add_inline(environment, "post_url", _post_url)
    add_inline(environment, "link", _link)
    add_block(environment, "highlight", _highlight)
    environment.tags["capture"] = _Capture(environment)
    for path in sorted((root / OWN_TAGS).glob("*.html")):
        if path.is_file() and is_inside(root, path):
            environment.tags[path.stem] = _own_tag(environment, path)
    environment.tags["illegal"] = _Unknown(environment)


class _Unknown(Illegal):
    def parse(self, stream: TokenStream) -> IllegalNode:
        token = stream.expect(TOKEN_TAG)
        if stream.peek.kind == TOKEN_EXPRESSION:
            next(stream)
        raise UnknownTag(token.value, token=token)


class _Capture(CaptureTag):
    """`capture`, which in Jekyll takes the first word that can be a name: `{% capture /dev/null %}`."""

    def parse(self, stream: TokenStream) -> CaptureNode:
        ahead = stream.peek
        if ahead.kind == TOKEN_EXPRESSION and (word := re.search(r"[\w-]+", ahead.value)):
            stream.tokens[stream.pos + 1] = Token(TOKEN_EXPRESSION, word[0], ahead.start_index, ahead.source)
        return super().parse(stream)


def _own_tag(environment: Environment, path: Path) -> Tag:
    """A tag of a plugin, as the site wants it in mail: `include.markup` is what the post wrote after the tag's name,
    `include.words` its words, `include.content` what stands before its end tag, if it has one."""
    ending = f"end{path.stem}"

    def write(context: RenderContext, markup: str, content: str) -> str:
        words = [word.strip("\"',") for word in re.findall(r"\"[^\"]*\"|'[^']*'|[^\s,]+", markup)]
        return render_file(context, path, {"markup": markup.strip(), "words": words, "content": content})

    class Own(Tag):
        def parse(self, stream: TokenStream) -> Node:
            token = stream.expect(TOKEN_TAG)
            markup = ""
            if stream.peek.kind == TOKEN_EXPRESSION:
                markup = next(stream) and stream.current.value
            if re.search(rf"\{{%-?\s*{re.escape(ending)}\b", token.source) is None:
                return InlineNode(token, markup, lambda context, markup, token: write(context, markup, ""))
            next(stream)
            block = get_parser(self.env).parse_block(stream, (ending, TOKEN_EOF))
            return BlockNode(token, markup, block, write)

    Own.name, Own.end = path.stem, ending
    return Own(environment)


def _include(context: RenderContext, markup: str, token: Token) -> str:
    site = scene_of(context).page.site
    folder = str(site.config.get("includes_dir") or "_includes")
    return _include_from(site.root / folder, context, markup, token)


def _include_relative(context: RenderContext, markup: str, token: Token) -> str:
    return _include_from(scene_of(context).page.post.path.parent, context, markup, token)


def _include_from(folder: Path, context: RenderContext, markup: str, token: Token) -> str:
    root = scene_of(context).page.site.root
    match = _FILE.match(evaluate(context, markup) if "{{" in markup else markup)
    name = match[1].strip("\"'") if match else ""
    if not name:
        raise NewsletterError("include names no file; write {% include file.html %}")
    path = inside(folder, name)
    inside(root, path)
    if not path.is_file():
        where = folder.relative_to(root) if folder.is_relative_to(root) else folder
        raise NewsletterError(f"no file {name!r} in {where}; if it is the theme's, copy it there or take the tag out")
    return render_file(context, path, _parameters(context, match[2] if match else ""))


def _parameters(context: RenderContext, markup: str) -> dict[str, object]:
    found: dict[str, object] = {}
    position = 0
    while position < len(markup.strip()):
        match = _PARAMETER.match(markup.strip(), position)
        if match is None:
            raise NewsletterError(f'include: {markup.strip()[position:][:40]!r} is no parameter; write name="value"')
        position = match.end()
        if match[2] is not None or match[3] is not None:
            text = match[2] if match[2] is not None else match[3]
            found[match[1]] = text.replace('\\"', '"').replace("\\'", "'")
        else:
            found[match[1]] = value_of(context, match[4])
    return found


def _post_url(context: RenderContext, markup: str, token: Token) -> str:
    name = evaluate(context, markup).strip().strip("\"'") if "{{" in markup else markup.strip().strip("\"'")
    found = scene_of(context).find(name)
    if found is None:
        raise NewsletterError(f"post_url: no post {name!r}; write its file's name without the ending")
    return found.url or found.path


def _link(context: RenderContext, markup: str, token: Token) -> str:
    site = scene_of(context).page.site
    name = evaluate(context, markup).strip() if "{{" in markup else markup.strip()
    path = inside(site.root, name.lstrip("/"))
    if not path.is_file():
        raise NewsletterError(f"link: no file {name!r} in the site; check the path")
    if path.suffix.lower() in POSTS and read_text(path).startswith("---"):
        target = read_page(path, site)
        return target.url or target.path
    return site.url + "/" + path.relative_to(site.root.resolve()).as_posix()


def _highlight(context: RenderContext, markup: str, code: str) -> str:
    words = markup.split()
    return fence(words[0] if words else "", code)
