"""Templates: where they are, what they may do, and how their faults are told.

Looked up in the newsletter's own email_templates/, then in the shipped one. They run in Jinja2's immutable sandbox,
with strict undefined names, autoescaping in .html, and bounds on loops, text and memory. A fault of a template is a
NewsletterError with its file and line. How dynamic names become slots: `rewrite`, `runtime` and `slots`.
"""

import difflib
import functools
import importlib.resources
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import SecurityError, TemplateNotFound
from jinja2.loaders import split_template_path
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from newsletter.compose.templating.rewrite import rewrite
from newsletter.compose.templating.runtime import Runtime
from newsletter.compose.templating.slots import Slots
from newsletter.compose.templating.template_error import place_in_template, template_error
from newsletter.compose.templating.unparse import unparse
from newsletter.errors import NewsletterError

FOLDER = "email_templates"
MOST_OUTPUT = 4_000_000
"""Characters that a template may write; mail providers take messages of 10 to 35 MB."""

_WIDEST = 100_000  # characters that one padding or repetition may make
_PADDING = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs"})


class Undefined(jinja2.StrictUndefined):
    """A name that nobody defined; asked of a mapping (`post.titel`), it says which of its keys is near."""

    @property
    def _undefined_message(self) -> str:
        keys, name = self._undefined_obj, self._undefined_name
        if self._undefined_hint or not isinstance(keys, Mapping) or not isinstance(name, str):
            return super()._undefined_message
        near = difflib.get_close_matches(name, [key for key in keys if isinstance(key, str)], n=1)
        return f"{name!r} is not defined there" + (f"; did you mean {near[0]!r}?" if near else "")


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2 as templates get it in both stages: nothing unsafe, nothing undefined, nothing huge."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, loader: jinja2.BaseLoader | None = None, autoescape: bool | Callable[..., bool] = False) -> None:
        super().__init__(loader=loader, autoescape=autoescape, undefined=Undefined, cache_size=50)
        self.keep_trailing_newline = True
        self.filters["center"] = _bounded_center
        self.filters["format"] = _bounded_format
        self.filters["indent"] = _bounded_indent
        del self.globals["lipsum"]

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic, refused where a few characters would make gigabytes or take forever."""
        if operator == "*":
            for many, times in ((left, right), (right, left)):
                if isinstance(many, (str, list, tuple)) and isinstance(times, int) and len(many) * times > _WIDEST:
                    raise SecurityError(f"repeats something {times:,} times; {_WIDEST:,} characters are the most")
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            if left.bit_length() * max(right, 0) > 10_000:
                raise SecurityError("makes a number of thousands of digits")
        elif operator == "%" and isinstance(left, str):
            _check_format(left, right)
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 (as in Jinja2)
        """A call, refused where it would pad text to gigabytes."""
        if isinstance(getattr(__obj, "__self__", None), str) and getattr(__obj, "__name__", "") in _PADDING:
            _check_widths((*args, *kwargs.values()))
        return super().call(__context, __obj, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """`str.format`, as the sandbox allows it, refused where a width would make gigabytes."""
        wrapped = super().wrap_str_format(value)
        if wrapped is not None and re.search(r"\d{6}|\{[^{}]*\{", value.__self__):
            raise SecurityError("formats with a width that is too large, or that is itself formatted")
        return wrapped


class Templates:
    """The templates of one newsletter."""

    def __init__(self, root: Path) -> None:
        self._loader = _TemplateLoader([root / FOLDER, shipped_templates()])

    def layouts(self) -> tuple[str, ...]:
        """The names that `layout:` may give, sorted."""
        return self._loader.layouts()

    def has(self, name: str) -> bool:
        """Whether there is a template file of this name (`post.txt`)."""
        return self._loader.find(name) is not None

    def path(self, name: str) -> Path | None:
        """The file of a template, the user's before the shipped one."""
        return self._loader.find(name)

    def start(self, seed: str, known: Mapping[str, Any]) -> "Rendering":
        """Begin one issue: `known` are the names known now, `seed` is text that tells its tokens from all others."""
        return Rendering(self._loader, Runtime(seed, known))


class Rendering:
    """The first stage of one issue; what it leaves for the second is gathered in `slots`."""

    def __init__(self, loader: "_TemplateLoader", runtime: Runtime) -> None:
        self._environment = _Stage(loader, runtime)
        self._loader = loader

    @property
    def slots(self) -> Slots:
        """The slots of everything rendered so far."""
        return self._environment.runtime.slots

    def update(self, **names: Any) -> None:
        """Add names that became known on the way."""
        self._environment.globals.update(names)

    def template(self, name: str) -> str:
        """The text of a template file, tokens in the places of slots."""
        return self._render(lambda: self._environment.get_template(name), name)

    def source(self, source: str, path: str, line: int) -> str:
        """The text of a template that is no file: a personalized post or subject, which begins in `line` of `path`."""

        def made() -> jinja2.Template:
            code = _compiled("\n" * (line - 1) + source, path, path)
            return jinja2.Template.from_code(self._environment, code, self._environment.globals)

        return self._render(made, path)[line - 1 :]

    def _render(self, made: Callable[[], jinja2.Template], name: str) -> str:
        try:
            return join_bounded(made().generate())
        except NewsletterError as error:
            if error.path:
                raise
            path, line = place_in_template(error.__traceback__, name, FOLDER)
            raise NewsletterError(error.what, path=path, line=line) from error
        except Exception as error:
            names, filters = self._environment.globals, self._environment.filters
            raise template_error(error, name, FOLDER, names, filters, self._loader.text) from error


class _Stage(Sandbox):
    """The environment of one rendering; templates loaded here are rewritten for two stages."""

    def __init__(self, loader: "_TemplateLoader | None", runtime: Runtime) -> None:
        super().__init__(loader, lambda name: bool(name) and name.endswith(".html"))
        self.runtime = runtime
        runtime.install(self)
        self.optimized = False  # constants are few, and to look for them takes a fifth of compiling

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return rewrite(super()._parse(source, name, filename), self, filename or name or "")

    def expression(self, source: str) -> nodes.Expr:
        """The tree of one expression."""
        parser = Parser(self, source, state="variable")
        return parser.parse_expression()

    def evaluate(self, node: nodes.Expr, values: Mapping[str, Any]) -> Any:
        """The value of an expression whose names are all known, undefined or not."""
        template = jinja2.Template.from_code(self, _evaluation(unparse(node)), self.globals)
        return TemplateExpression(template, undefined_to_none=False)(dict(values))


@functools.lru_cache(maxsize=256)
def _compiled(source: str, name: str, path: str) -> CodeType:
    """A template's code, which depends on its text alone; the preview renders the same ones again and again."""
    return _Stage(None, Runtime("", {})).compile(source, name, path)


@functools.lru_cache(maxsize=1024)
def _evaluation(source: str) -> CodeType:
    stage = _Stage(None, Runtime("", {}))
    tree = nodes.Template([nodes.Assign(nodes.Name("result", "store"), stage.expression(source))])
    tree.set_lineno(1).set_environment(stage)
    return stage.compile(tree)


class _TemplateLoader(jinja2.BaseLoader):
    """Files under the first folder that has them; nothing outside, not even through a link."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)

    def find(self, name: str) -> Path | None:
        try:
            parts = split_template_path(name)
        except TemplateNotFound:
            return None
        for folder in self._folders:
            path = folder.joinpath(*parts)
            if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
                return path
        return None

    def load(
        self,
        environment: jinja2.Environment,
        name: str,
        globals: Any = None,  # noqa: A002 (Jinja2's name)
    ) -> jinja2.Template:
        path = self.find(name)
        if path is None:
            raise TemplateNotFound(name)
        shown = f"{FOLDER}/{name}"
        try:
            source = path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise NewsletterError(f"can't be read: {error.strerror}", path=path) from None
        except UnicodeDecodeError:
            raise NewsletterError("is not UTF-8; save it as UTF-8", path=path) from None
        return jinja2.Template.from_code(environment, _compiled(source, name, shown), globals or {})

    def text(self, name: str) -> str:
        """The text of a template, by its name or its path as errors show it; empty where there is none."""
        path = self.find(name.removeprefix(f"{FOLDER}/"))
        try:
            return path.read_text("utf-8-sig") if path is not None else ""
        except (OSError, UnicodeDecodeError):
            return ""

    def layouts(self) -> tuple[str, ...]:
        return tuple(sorted({path.stem for folder in self._folders for path in folder.glob("*.html")}))


def shipped_templates() -> Path:
    """The folder of templates that come with the package; in a source checkout, the one at its top."""
    package = Path(str(importlib.resources.files("newsletter")))
    return next((folder for folder in (package / FOLDER,) if folder.is_dir()), package.parent / FOLDER)


def join_bounded(pieces: Iterable[str]) -> str:
    """The pieces joined; raises SecurityError when there are too many characters."""
    kept: list[str] = []
    room = MOST_OUTPUT
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            raise SecurityError(f"writes more than {MOST_OUTPUT:,} characters")
        kept.append(piece)
    return "".join(kept)


def _bounded_center(value: str, width: int = 80) -> str:
    _check_widths((width,))
    return str(value).center(width)


def _bounded_indent(value: str, width: int | str = 4, *args: Any, **kwargs: Any) -> str:
    _check_widths((width, len(width) if isinstance(width, str) else 0))
    return jinja2.filters.do_indent(value, width, *args, **kwargs)


def _bounded_format(value: str, *args: Any, **kwargs: Any) -> str:
    _check_format(str(value), args or kwargs)
    return jinja2.filters.do_format(value, *args, **kwargs)


def _check_widths(widths: Iterable[Any]) -> None:
    if any(isinstance(width, int) and width > _WIDEST for width in widths):
        raise SecurityError(f"pads text to more than {_WIDEST:,} characters")


def _check_format(text: str, values: Any) -> None:
    """`%` formatting: no width over five digits, given in the text or, by `*`, among the values."""
    digits = "".join(character if character.isdigit() else " " for character in text).split()
    values = values.values() if isinstance(values, Mapping) else values if isinstance(values, tuple) else (values,)
    if any(len(number) > 5 for number in digits if "%" in text) or ("*" in text and "%" in text):
        raise SecurityError("formats with a width that is too large, or with `*`")
