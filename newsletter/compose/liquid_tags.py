"""Jekyll's Liquid tags, and those of well-known plugins, with what they mean in mail.

`include` and its relatives read files of the site alone. Code goes out as a fence, which Markdown colours. Players
become links. What only matters on a page (`seo`, `feed_meta`) is nothing. Sources: Jekyll's lib/jekyll/tags.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from io import StringIO
from pathlib import Path
from typing import TextIO, TypeAlias

from liquid import Environment, RenderContext, Token, TokenStream
from liquid.ast import BlockNode, IllegalNode, Node
from liquid.builtin.illegal import Illegal
from liquid.builtin.tags.capture_tag import CaptureNode, CaptureTag
from liquid.exceptions import LiquidError, LiquidSyntaxError
from liquid.parser import get_parser
from liquid.tag import Tag
from liquid.token import TOKEN_EOF, TOKEN_EXPRESSION, TOKEN_TAG

from newsletter.compose.paths import inside, is_inside
from newsletter.compose.post import Post, read_post, read_text
from newsletter.compose.site import Site
from newsletter.compose.tidy import video_link
from newsletter.errors import NewsletterError

OWN_TAGS = "email_templates/tags"
"""Where a site says what its plugins' tags are in mail: a file of Liquid a tag."""

SCENE = "\0scene"
"""Where a template's globals hold the `Scene`; no Liquid can spell it."""

_PARAMETER = re.compile(
    r"([\w-]+)\s*=\s*(?:\"([^\"\\]*(?:\\.[^\"\\]*)*)\"|'([^'\\]*(?:\\.[^'\\]*)*)'|([^\s,=\"'][^\s,]*))[\s,]*"
)
_FILE = re.compile(r"\s*((?:[^\s{]|\{\{.*?\}\}|\{(?!\{))+)\s*(.*)\Z", re.DOTALL)
_NOTHING = frozenset({
    "seo", "feed_meta", "csrf_meta_tags", "toc", "octicon", "render_time", "jekyll_version", "github_edit_link",
    "last_modified_at", "paginate", "stylesheet", "favicon", "turbo", "polyglot",
})  # fmt: skip


class UnknownTag(LiquidSyntaxError):  # noqa: N818 (named for what it is)
    """A tag that nobody here knows; its message is the tag's name."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What tags need of the rendering that they are part of."""

    post: Post
    site: Site
    sources: dict[str, tuple[Path, int]]  # where each template's text comes from, and its first line there
    find: Callable[[str], Post | None]


def add_tags(environment: Environment, root: Path) -> None:
    """Give `environment` the tags, and those that the site in `root` has written for its mail."""
    for name, render in _INLINE.items():
        _add(environment, name, render)
    for name in _NOTHING:
        _add(environment, name, lambda context, markup, token: "")
    for name, block in _BLOCKS.items():
        _add_block(environment, name, block)
    for path in sorted((root / OWN_TAGS).glob("*.html")):
        if path.is_file() and is_inside(root, path):
            environment.tags[path.stem] = _own_tag(environment, path)
    environment.tags["capture"] = _Capture(environment)
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


Inline: TypeAlias = Callable[[RenderContext, str, Token], str]
Block: TypeAlias = Callable[[RenderContext, str, str], str]


class _InlineNode(Node):
    __slots__ = ("markup", "write")

    def __init__(self, token: Token, markup: str, write: Inline) -> None:
        super().__init__(token)
        self.markup, self.write, self.blank = markup, write, False

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        try:
            return buffer.write(self.write(context, self.markup, self.token))
        except NewsletterError as error:
            raise LiquidError(error.what, token=self.token) from error
        except LiquidError as error:
            if error.token is None or error.token.source not in _scene(context).sources:
                error.token = self.token  # it was about a part of this tag
            raise


class _BlockNode(Node):
    __slots__ = ("block", "markup", "write")

    def __init__(self, token: Token, markup: str, block: BlockNode, write: Block) -> None:
        super().__init__(token)
        self.markup, self.block, self.write, self.blank = markup, block, write, False

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        inner = context.get_buffer(buffer) if isinstance(buffer, StringIO) else StringIO()
        self.block.render(context, inner)
        return buffer.write(self.write(context, self.markup, inner.getvalue()))


def _add(environment: Environment, name: str, write: Inline) -> None:
    class Inlined(Tag):
        block = False

        def parse(self, stream: TokenStream) -> Node:
            token = stream.expect(TOKEN_TAG)
            markup = ""
            if stream.peek.kind == TOKEN_EXPRESSION:
                markup = next(stream) and stream.current.value
            return _InlineNode(token, markup, write)

    Inlined.name = name
    environment.tags[name] = Inlined(environment)


def _add_block(environment: Environment, name: str, write: Block) -> None:
    ending = f"end{name}"

    class Blocked(Tag):
        def parse(self, stream: TokenStream) -> Node:
            token = stream.eat(TOKEN_TAG)
            markup = ""
            if stream.current.kind == TOKEN_EXPRESSION:
                markup = stream.current.value
                next(stream)
            block = get_parser(self.env).parse_block(stream, (ending, TOKEN_EOF))
            if stream.current.kind == TOKEN_EOF:
                raise LiquidSyntaxError(f"{{% {name} %}} has no {{% {ending} %}}", token=token)
            return _BlockNode(token, markup, block, write)

    Blocked.name, Blocked.end = name, ending
    environment.tags[name] = Blocked(environment)


def _own_tag(environment: Environment, path: Path) -> Tag:
    """A tag of a plugin, as the site wants it in mail: `include.markup` is what the post wrote after the tag's name,
    `include.words` its words, `include.content` what stands before its end tag, if it has one."""
    ending = f"end{path.stem}"

    def write(context: RenderContext, markup: str, content: str) -> str:
        words = [word.strip("\"',") for word in re.findall(r"\"[^\"]*\"|'[^']*'|[^\s,]+", markup)]
        return _written(context, path, {"markup": markup.strip(), "words": words, "content": content})

    class Own(Tag):
        def parse(self, stream: TokenStream) -> Node:
            token = stream.expect(TOKEN_TAG)
            markup = ""
            if stream.peek.kind == TOKEN_EXPRESSION:
                markup = next(stream) and stream.current.value
            if re.search(rf"\{{%-?\s*{re.escape(ending)}\b", token.source) is None:
                return _InlineNode(token, markup, lambda context, markup, token: write(context, markup, ""))
            next(stream)
            block = get_parser(self.env).parse_block(stream, (ending, TOKEN_EOF))
            return _BlockNode(token, markup, block, write)

    Own.name, Own.end = path.stem, ending
    return Own(environment)


def _written(context: RenderContext, path: Path, parameters: dict[str, object]) -> str:
    """The file at `path`, its Liquid evaluated, `parameters` as `include` in it."""
    source = read_text(path)
    _scene(context).sources.setdefault(source, (path, 1))
    template = context.env.from_string(source, name=path.name)
    output = context.get_buffer()
    with context.extend({"include": parameters}, template=template):
        template.render_with_context(context, output, partial=True)
    return output.getvalue()


# -- files


def _include(context: RenderContext, markup: str, token: Token) -> str:
    scene = _scene(context)
    folder = str(scene.site.config.get("includes_dir") or "_includes")
    return _include_from(scene.site.root / folder, context, markup, token)


def _include_relative(context: RenderContext, markup: str, token: Token) -> str:
    return _include_from(_scene(context).post.path.parent, context, markup, token)


def _include_from(folder: Path, context: RenderContext, markup: str, token: Token) -> str:
    scene = _scene(context)
    match = _FILE.match(_evaluate(context, markup) if "{{" in markup else markup)
    name = match[1].strip("\"'") if match else ""
    if not name:
        raise NewsletterError("include names no file; write {% include file.html %}")
    path = inside(folder, name)
    inside(scene.site.root, path)
    if not path.is_file():
        where = folder.relative_to(scene.site.root) if folder.is_relative_to(scene.site.root) else folder
        raise NewsletterError(f"no file {name!r} in {where}; if it is the theme's, copy it there or take the tag out")
    return _written(context, path, _parameters(context, match[2] if match else ""))


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
            found[match[1]] = _value(context, match[4])
    return found


def _value(context: RenderContext, expression: str) -> object:
    """The value that a Liquid expression such as `page.title` or `site.data.x[0]` has here."""
    from liquid.builtin.expressions import parse_primitive, tokenize

    token = Token(TOKEN_EXPRESSION, expression, 0, expression)
    value: object = parse_primitive(context.env, TokenStream(tokenize(expression, token))).evaluate(context)
    return value


def _evaluate(context: RenderContext, source: str) -> str:
    """`source` with the Liquid in it evaluated: `{% include {{ page.box }}.html %}`."""
    output = context.get_buffer()
    context.env.from_string(source).render_with_context(context, output, partial=True)
    return output.getvalue()


# -- links


def _post_url(context: RenderContext, markup: str, token: Token) -> str:
    scene = _scene(context)
    name = _evaluate(context, markup).strip().strip("\"'") if "{{" in markup else markup.strip().strip("\"'")
    found = scene.find(name)
    if found is None:
        raise NewsletterError(f"post_url: no post {name!r}; write its file's name without the ending")
    return scene.site.permalink(found) or scene.site.path_of(found)


def _link(context: RenderContext, markup: str, token: Token) -> str:
    scene = _scene(context)
    name = _evaluate(context, markup).strip() if "{{" in markup else markup.strip()
    path = inside(scene.site.root, name.lstrip("/"))
    if not path.is_file():
        raise NewsletterError(f"link: no file {name!r} in the site; check the path")
    if path.suffix.lower() in {".md", ".markdown", ".mkd", ".html", ".htm"}:
        target = read_post(path, scene.site.timezone)
        if target.front_matter or path.suffix.lower() not in {".html", ".htm"}:
            return scene.site.permalink(target) or scene.site.path_of(target)
    return scene.site.url + "/" + path.relative_to(scene.site.root.resolve()).as_posix()


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
    text = _evaluate(context, markup) if "{{" in markup else markup
    word = text.split()[0] if text.split() else ""
    if word[:1] in "\"'":
        return word.strip("\"'")
    if re.fullmatch(r"(?:page|site|include)\.[\w.\[\]-]+", word):
        value = _value(context, word)
        return value if isinstance(value, str) else ""
    return word


# -- blocks


def fence(language: str, code: str) -> str:
    """`code` as a fenced block that nothing in it can close; blanks before the closing tag keep it in its list."""
    body = code.strip("\n")
    indent = re.search(r"\n([ \t]*)\Z", code)
    longest = max((len(run) for run in re.findall(r"`{3,}|~{3,}", body)), default=2)
    mark = "~" * max(longest + 1, 4)
    pad = indent[1] if indent else ""
    body = re.sub(r"\n[ \t]*\Z", "", body)
    return f"{mark}{language}\n{body}\n{pad}{mark}\n"


def _highlight(context: RenderContext, markup: str, code: str) -> str:
    words = markup.split()
    return fence(words[0] if words else "", code)


def _codeblock(context: RenderContext, markup: str, code: str) -> str:
    language = re.search(r"\blang:(\S+)", markup)
    return "\n" + fence(language[1] if language else "", code)


def _quote(context: RenderContext, markup: str, text: str) -> str:
    lines = "\n".join(f"> {line}" for line in text.strip().split("\n"))
    source = f"\n>\n> — {markup.strip()}" if markup.strip() else ""
    return f"\n{lines}{source}\n"


def _as_it_is(context: RenderContext, markup: str, text: str) -> str:
    return text


def _scene(context: RenderContext) -> Scene:
    scene = context.globals[SCENE]
    assert isinstance(scene, Scene)
    return scene


_INLINE: dict[str, Inline] = {
    "include": _include,
    "include_cached": _include,
    "include_relative": _include_relative,
    "post_url": _post_url,
    "link": _link,
    "gist": _gist,
    "youtube": _youtube,
    "vimeo": _vimeo,
    "twitter": _tweet,
    "tweet": _tweet,
    "avatar": _avatar,
    "img": _image,
}
_BLOCKS: dict[str, Block] = {
    "highlight": _highlight,
    "codeblock": _codeblock,
    "blockquote": _quote,
    "pullquote": _as_it_is,
}
