"""Code in posts: coloured with Pygments, the colours inline, because mail clients drop classes; and as a fence."""

import functools
import re
from html import escape

from pygments.formatters.html import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

LONGEST = 100_000
"""Characters of code that are coloured; longer code is plain."""

STYLE = "xcode"

_BLACK = re.compile(r"<span style=\"color: #000(?:000)?\">([^<]*)</span>")


def highlight(code: str, language: str = "") -> str:
    """`code` as `<pre><code>`; without a language that Pygments knows, it is plain."""
    code = code.strip("\n")
    lexer = _lexer(language.lower()) if language and len(code) <= LONGEST else None
    if lexer is None:
        return f"<pre><code>{escape(code, quote=False)}</code></pre>"
    lines: list[str] = []
    _formatter().format(lexer.get_tokens(code), _Lines(lines))
    # Black is what text is anyway, in light; in dark it would be unreadable.
    coloured = _BLACK.sub(r"\1", "".join(lines).rstrip("\n"))
    return f"<pre><code>{coloured}</code></pre>"


def code_language(info: str) -> str:
    """The language in a fence's info string: `ruby`, `ruby{1,3}`, `{.ruby .numberLines}`, `go {linenos=true}`."""
    match = re.match(r"\{?\s*\.?(?:language-)?([\w+#.-]+)", info.strip())
    return match[1] if match else ""


class _Lines:
    """What a formatter writes to."""

    def __init__(self, lines: list[str]) -> None:
        self.write = lines.append


@functools.cache
def _formatter() -> HtmlFormatter[str]:
    return HtmlFormatter(noclasses=True, nowrap=True, style=STYLE)


@functools.lru_cache(maxsize=64)
def _lexer(name: str) -> Lexer | None:
    try:
        return get_lexer_by_name(name, stripnl=False)
    except ClassNotFound:
        return None


def fence(language: str, code: str) -> str:
    """`code` as a fenced block that nothing in it can close; blanks before the closing tag keep it in its list."""
    body = code.strip("\n")
    indent = re.search(r"\n([ \t]*)\Z", code)
    longest = max((len(run) for run in re.findall(r"`{3,}|~{3,}", body)), default=2)
    mark = "~" * max(longest + 1, 4)
    pad = indent[1] if indent else ""
    body = re.sub(r"\n[ \t]*\Z", "", body)
    return f"{mark}{language}\n{body}\n{pad}{mark}\n"
