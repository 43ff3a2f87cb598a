"""Markdown made at random: what people write, put together as nobody would."""

from hypothesis import strategies as st

_WORDS = (
    "word two *em* **strong** _em_ __strong__ `code` a*b*c snake_case_word \"quoted\" 'single' it's -- --- "
    "... 1986. [link](https://example.org/a) [ref] [text][ref] ![alt](a.png) <b>bold</b> <kbd>--x</kbd> "
    "<br> &amp; &copy; &lt; \\* \\_ https://example.org www.example.org <https://example.org> "
    "ada@example.org ~~gone~~ [^1] # ! | \\| ١٢ γράμματα 日本語 “set” (brackets) a\\ *open **open `open [open "
)
WORDS = st.sampled_from(_WORDS.split())
TEXT = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)
LANGUAGES = st.sampled_from(["", "ruby", "html", "c++", "{.python}", "go {linenos=true}", "text", "nonsense", "md"])


def _prefixed(first: str, rest: str, block: str) -> str:
    lines = block.split("\n")
    return "\n".join([first + lines[0], *(rest + line if line else "" for line in lines[1:])])


def _fence(language: str, mark: str, lines: list[str]) -> str:
    return "\n".join([mark + language, *lines, mark])


def _table(rows: list[list[str]]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "---|" * len(cells[0]), *lines[1:]])


CODE_LINES = st.lists(st.sampled_from(["x = 1", "\ttab", "  two", "<p>html</p>", "", "- no list", "a  b", "`tick`"]),
                      min_size=1, max_size=4)  # fmt: skip
LEAVES = st.one_of(
    TEXT,
    st.lists(TEXT, min_size=2, max_size=3).map("\n".join),
    st.lists(TEXT, min_size=2, max_size=2).map("  \n".join),
    st.builds(lambda level, text: "#" * level + " " + text, st.integers(1, 6), TEXT),
    st.builds(lambda text, mark: f"{text}\n{mark * 3}", TEXT, st.sampled_from("=-")),
    st.builds(_fence, LANGUAGES, st.sampled_from(["```", "~~~", "````"]), CODE_LINES),
    CODE_LINES.map(lambda lines: "\n".join("    " + line if line else "" for line in lines)),
    st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(TEXT, min_size=width, max_size=width), min_size=2, max_size=3).map(_table)
    ),
    st.sampled_from(["---", "* * *", "___", "<div>\n\ntext\n\n</div>", "<div>raw</div>", "<hr>", "<!-- note -->"]),
    st.sampled_from(["[ref]: https://example.org/ref", '[ref]: /r "Title"', "[^1]: Note.", "[^1]: Two\n    lines."]),
    st.builds(lambda term, text: f"{term}\n: {text}", TEXT, TEXT),
)
MARKERS = st.sampled_from([("- ", "  "), ("* ", "  "), ("1. ", "   "), ("- ", "    "), ("3. ", "    "), ("+ ", "   ")])


def _items(marker: tuple[str, str], blocks: list[str], apart: str) -> str:
    return apart.join(_prefixed(marker[0], marker[1], block) for block in blocks)


BLOCKS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(_items, MARKERS, st.lists(inner, min_size=1, max_size=3), st.sampled_from(["\n", "\n\n"])),
        inner.map(lambda block: _prefixed("> ", "> ", block)),
        st.lists(inner, min_size=2, max_size=3).map("\n\n".join),
        st.builds(lambda one, other: f"{one}\n{other}", inner, inner),
    ),
    max_leaves=6,
)
MARKDOWN = st.builds(
    lambda blocks, indent, end: _prefixed(indent, "", "\n\n".join(blocks)) + end,
    st.lists(BLOCKS, min_size=1, max_size=4),
    st.sampled_from(["", "", "", " ", "   "]),
    st.sampled_from(["\n", "", "\n\n", "  \n"]),
)
