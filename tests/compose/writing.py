"""What several tests of composing share: an issue made by hand, a template folder, both stages in a row."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from newsletter.compose.issue import Issue, Piece
from newsletter.compose.templating.environment import Templates
from newsletter.compose.templating.fill import Filler, Reader

SECRET = b"a secret of thirty-two bytes, ok"
CONTEXT: dict[str, Any] = {
    "post": {
        "title": "Oaks & <Elms>",
        "tags": ["wood", "walk"],
        "url": "https://example.org/oaks/",
        "content": "<p>x</p>",
    },
    "newsletter": {"title": "The Long View", "url": "https://example.org"},
    "issue": {"id": "oaks"},
    "site": {"title": "The Long View"},
}
ADDRESSES = {
    "unsubscribe_url": "https://example.org/u/TOKEN?a=1&b=2",
    "preferences_url": "https://example.org/p/TOKEN",
    "view_url": "https://example.org/oaks/",
    "tracking": "",
}


def cut_template(root: Path, source: str, name: str = "t.html", **others: str) -> tuple[Piece, ...]:
    """Stage one of `source` as email_templates/`name`, without inlining; `others` are further .html templates."""
    folder = root / "email_templates"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(source, encoding="utf-8")
    for other, text in others.items():
        (folder / f"{other}.html").write_text(text, encoding="utf-8")
    rendering = Templates(root).start(source, CONTEXT)
    text = rendering.template(name)
    if not name.endswith(".html"):
        return rendering.slots.cut(text)
    placed = rendering.slots.place(text)
    return rendering.slots.cut_html(placed, placed)


def reader(**columns: str) -> Reader:
    return Reader({"email": "ada@example.org", "name": "", **columns}, lambda name, _: ADDRESSES[name])


def fill(parts: tuple[Piece, ...], who: Reader, html: bool = True, context: Mapping[str, Any] = CONTEXT) -> str:
    """Stage two: the text for one reader."""
    fills = iter(Filler(parts, context, html=html).fills)
    return "".join(part if isinstance(part, str) else next(fills)(who) for part in parts)


def issue(**fields: Any) -> Issue:
    """An issue with everything in it, but for what `fields` change."""
    return Issue(
        **{
            "id": "oaks",
            "post": "posts/2026-06-01-oaks.md",
            "subject": ("Who planted the oaks",),
            "preheader": "A walk",
            "sender": "Ada Moreau <ada@example.org>",
            "reply_to": "",
            "mail_from": "bounces@example.org",
            "list_id": "The Long View <example.org>",
            "unsubscribe_url": "https://example.org/n",
            "unsubscribe_mailto": "leave@example.org",
            "view_url": "https://example.org/oaks/",
            "language": "en",
            "html": ("<p>Hello</p>\n",),
            "text": ("Hello\n",),
            "context": {},
            **fields,
        }
    )
