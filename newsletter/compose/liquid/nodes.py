"""How a tag of Liquid is made: nodes for python-liquid that call a function of ours when a post is rendered.

Here is also what tags and filters ask of a rendering: its page, values, other templates. What the tags are is
in `tags` (Jekyll's) and `plugins` (its well-known plugins').
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from liquid import Environment, RenderContext, Token, TokenStream
from liquid.ast import BlockNode as LiquidBlock
from liquid.ast import Node
from liquid.exceptions import LiquidError, LiquidSyntaxError
from liquid.parser import get_parser
from liquid.tag import Tag
from liquid.token import TOKEN_EOF, TOKEN_EXPRESSION, TOKEN_TAG
from liquid.undefined import Undefined

from newsletter.errors import NewsletterError
from newsletter.site.page import Page
from newsletter.site.post import read_text

SCENE = "\0scene"
"""Where a template's globals hold the `Scene`; no Liquid can spell it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What tags need of the rendering that they are part of."""

    page: Page
    sources: dict[str, tuple[Path, int]]  # where each template's text comes from, and its first line there
    find: Callable[[str], Page | None]  # another post, by the name that `post_url` gives


InlineTag: TypeAlias = Callable[[RenderContext, str, Token], str]
BlockTag: TypeAlias = Callable[[RenderContext, str, str], str]


class InlineNode(Node):
    """A tag that stands alone."""

    __slots__ = ("markup", "write")

    def __init__(self, token: Token, markup: str, write: InlineTag) -> None:
        super().__init__(token)
        self.markup, self.write, self.blank = markup, write, False

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        try:
            return buffer.write(self.write(context, self.markup, self.token))
        except NewsletterError as error:
            raise LiquidError(error.what, token=self.token) from error
        except LiquidError as error:
            if error.token is None or error.token.source not in scene_of(context).sources:
                error.token = self.token  # it was about a part of this tag
            raise


class BlockNode(Node):
    """A tag with something before its end tag."""

    __slots__ = ("block", "markup", "write")

    def __init__(self, token: Token, markup: str, block: LiquidBlock, write: BlockTag) -> None:
        super().__init__(token)
        self.markup, self.block, self.write, self.blank = markup, block, write, False

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        inner = context.get_buffer(buffer) if isinstance(buffer, StringIO) else StringIO()
        self.block.render(context, inner)
        return buffer.write(self.write(context, self.markup, inner.getvalue()))


def add_inline(environment: Environment, name: str, write: InlineTag) -> None:
    """Give `environment` a tag that stands alone."""

    class Inlined(Tag):
        block = False

        def parse(self, stream: TokenStream) -> Node:
            token = stream.expect(TOKEN_TAG)
            markup = ""
            if stream.peek.kind == TOKEN_EXPRESSION:
                markup = next(stream) and stream.current.value
            return InlineNode(token, markup, write)

    Inlined.name = name
    environment.tags[name] = Inlined(environment)


def add_block(environment: Environment, name: str, write: BlockTag) -> None:
    """Give `environment` a tag with an end tag of its own."""
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
            return BlockNode(token, markup, block, write)

    Blocked.name, Blocked.end = name, ending
    environment.tags[name] = Blocked(environment)


def scene_of(context: RenderContext) -> Scene:
    """The rendering that `context` belongs to."""
    scene = context.globals[SCENE]
    assert isinstance(scene, Scene)
    return scene


def value_of(context: RenderContext, expression: str) -> object:
    """The value that a Liquid expression such as `page.title` or `site.data.x[0]` has here."""
    from liquid.builtin.expressions import parse_primitive, tokenize

    token = Token(TOKEN_EXPRESSION, expression, 0, expression)
    value: object = parse_primitive(context.env, TokenStream(tokenize(expression, token))).evaluate(context)
    return value


def evaluate(context: RenderContext, source: str) -> str:
    """`source` with the Liquid in it evaluated: `{% include {{ page.box }}.html %}`."""
    output = context.get_buffer()
    context.env.from_string(source).render_with_context(context, output, partial=True)
    return output.getvalue()


def render_file(context: RenderContext, path: Path, parameters: dict[str, object]) -> str:
    """The file at `path`, its Liquid evaluated, `parameters` as `include` in it."""
    source = read_text(path)
    scene_of(context).sources.setdefault(source, (path, 1))
    template = context.env.from_string(source, name=path.name)
    output = context.get_buffer()
    with context.extend({"include": parameters}, template=template):
        template.render_with_context(context, output, partial=True)
    return output.getvalue()


def as_text(value: Any) -> str:
    """A value as Liquid writes it out."""
    if value is None or isinstance(value, Undefined):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
