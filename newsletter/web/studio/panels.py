"""What the views beside the mail show: plain text, source, headers, inbox rows, clients, findings.

Each function turns a rendered message into what a template needs. Pure, but for the checks' reading of the post. The
checks are imported when they are first asked for: the page and the mail are shown before.
"""

import html as entities
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.site.jekyll import MARKDOWN
from newsletter.smtp.relay import configured_relays
from newsletter.web.frame import GMAIL_CLIP
from newsletter.web.pages import day
from newsletter.web.studio.renderer import RenderedMessage
from newsletter.web.studio.sent import SentIssue

if TYPE_CHECKING:
    from newsletter.checks.finding import Finding
    from newsletter.checks.sample import Sample
    from newsletter.web.studio.inbox_rows import InboxRow

PANELS = ("inbox", "text", "source", "headers", "clients")


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A line of source: its number from 1, and its text as HTML with highlighting."""

    number: int
    html: str


def summary(rendered: RenderedMessage, sent: SentIssue | None) -> dict[str, Any]:
    """What the page says around the mail, as JSON; sizes in bytes. `sent` is the newest issue of the post."""
    message, size = rendered.message, len(rendered.html.encode())
    return {
        "subject": message.subject,
        "sender": message.sender,
        "to": message.root.get("to"),
        "size": len(rendered.eml),
        "htmlSize": size,
        "clipPercent": round(100 * size / GMAIL_CLIP),
        "clipped": size > GMAIL_CLIP,
        "seconds": rendered.seconds,
        "path": shown_path(rendered.post.path, rendered.config.root),
        "draft": rendered.post.draft,
        "person": {"email": rendered.subscriber.email, "name": rendered.subscriber.name},
        "sent": _sent(rendered, sent) if sent else None,
        **_relay(rendered.config),
    }


def _sent(rendered: RenderedMessage, sent: SentIssue) -> dict[str, Any]:
    """When and to how many, and whether the post says something else now."""
    same_issue = rendered.issue.id == sent.id
    changed = same_issue and rendered.issue.hash != sent.hash
    return {"words": f"Sent on {day(sent.created)} {sent.words}", "changed": changed, "issue": sent.id}


def _relay(config: Config) -> dict[str, Any]:
    """Through what "Send me this" goes, and what is to be said of it."""
    try:
        relays = configured_relays(config)
    except NewsletterError as error:
        return {"relay": "", "relayNote": str(error)}
    if not relays:
        return {"relay": "", "relayNote": "there is no relay yet; set [smtp] url in newsletter.toml"}
    note = "It is on this machine: a test inbox keeps the mail, and delivers none." if relays[0].is_loopback else ""
    return {"relay": relays[0].name, "relayNote": note}


def context(panel: str, rendered: RenderedMessage, options: dict[str, str]) -> dict[str, Any]:
    """What `panels/<panel>.html` needs."""
    match panel:
        case "text":
            text = rendered.message.text
            lines = text.splitlines()
            return {"text": text, "lines": len(lines), "longest": max(map(len, lines), default=0)}
        case "source":
            return _source(rendered, options.get("part", ""))
        case "headers":
            return {"headers": rendered.message.headers, "envelope": rendered.envelope}
        case "inbox":
            return {"rows": rows_of(rendered), "dark": options.get("theme", "light") != "light"}
        case _:
            from newsletter.checks.clients.caniemail import CLIENTS
            from newsletter.checks.rules.client_support import client_support

            rows = client_support(sample(rendered))
            names = rendered.config.checks.clients
            return {"rows": rows, "clients": [(name, CLIENTS[name].label) for name in names]}


def _source(rendered: RenderedMessage, part: str) -> dict[str, Any]:
    """The HTML, the message (`raw`), the post (`post`), or the file of its template that `part` names."""
    made_from = sample(rendered).sources
    templates = {short_name(one.name): one.text for one in made_from.templates} or _shipped_template(rendered)
    post = "".join(one.text for one in (made_from.front_matter, made_from.post) if one is not None)
    kind, name = "plain", part
    if part == "raw":
        text, kind, name = rendered.eml.decode("utf-8", "replace"), "raw", ""
    elif part == "post":
        text, name = post, shown_path(rendered.post.path, rendered.config.root)
    elif part in templates:
        text, kind = templates[part], "html"
    else:
        text, kind, name, part = rendered.message.html, "html", "", ""
    return {
        "lines": code_lines(text, kind), "size": len(text.encode()), "part": part, "name": name,
        "template": next(iter(templates), ""), "is_template": part in templates,
    }  # fmt: skip


def _shipped_template(rendered: RenderedMessage) -> dict[str, str]:
    """The template that came with the program, by its name: findings never point there, but people want to see it."""
    path = rendered.composed.template
    return {short_name(str(path)): path.read_text(encoding="utf-8")} if path is not None else {}


def rows_of(rendered: RenderedMessage) -> "tuple[InboxRow, ...]":
    """The message as a row of each inbox."""
    from newsletter.web.studio import inbox_rows

    sender = rendered.message.sender
    name = sender.rpartition("<")[0].strip().strip('"') or sender.strip("<>")
    return inbox_rows.rows(name, rendered.message.subject, inbox_rows.snippet_of(sample(rendered)))


def sample(rendered: RenderedMessage) -> "Sample":
    """The message as the checks see it."""
    return _sample(rendered)


def findings_context(found: "Sequence[Finding]", root: Path) -> dict[str, Any]:
    """What `findings.html` needs: findings by severity; how their sources are shown, and which part of the source view
    shows them."""
    groups = {severity: [one for one in found if one.severity == severity] for severity in ("error", "warning", "info")}
    files = {one.source: short_name(shown_path(Path(one.source), root)) for one in found if one.source}
    parts = {source: _part_of(name) for source, name in files.items()}
    return {"groups": groups, "files": files, "parts": parts}


def _part_of(name: str) -> str:
    """Which part of the source view shows this file; empty if none does."""
    suffix = Path(name).suffix.lower()
    return "post" if suffix in MARKDOWN else name if suffix in {".html", ".css", ".txt"} else ""


def shown_path(path: Path, root: Path) -> str:
    """`path` as people write it: relative to the newsletter where it can be."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def short_name(path: str) -> str:
    """A file outside of the newsletter, such as a shipped template, by the end of its path."""
    return "/".join(("…", *Path(path).parts[-2:])) if Path(path).is_absolute() else path


@lru_cache(maxsize=8)
def code_lines(text: str, kind: str) -> tuple[CodeLine, ...]:
    """`text` line by line, highlighted (`kind`: "html", "raw" for a message, else "plain")."""
    pieces = _highlighted(text) if kind == "html" and len(text) < 400_000 else _plain(text, kind)
    lines: list[list[str]] = [[]]
    for style, value in pieces:
        first, *rest = value.split("\n")
        for number, part in enumerate((first, *rest)):
            if number:
                lines.append([])
            if part:
                escaped = entities.escape(part, quote=False)
                lines[-1].append(f'<span class="{style}">{escaped}</span>' if style else escaped)
    if not lines[-1]:
        lines.pop()
    return tuple(CodeLine(number, "".join(parts)) for number, parts in enumerate(lines, 1))


def _highlighted(text: str) -> Iterator[tuple[str, str]]:
    from pygments.lexers.html import HtmlLexer
    from pygments.token import Token

    styles: dict[Any, str] = {
        Token.Name.Tag: "t", Token.Keyword: "t", Token.Name.Attribute: "a", Token.Literal.String: "s",
        Token.Comment: "c", Token.Name.Entity: "e", Token.Literal.Number: "n",
    }  # fmt: skip
    for kind, value in HtmlLexer(stripnl=False, ensurenl=False).get_tokens(text):
        yield next((style for token, style in styles.items() if kind in token), ""), value


def _plain(text: str, kind: str) -> Iterator[tuple[str, str]]:
    """Header names marked in a raw message; all else as it is."""
    head, blank, body = text.partition("\r\n\r\n") if kind == "raw" else ("", "", text)
    for line in head.split("\r\n") if head else ():
        name, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "\t")):
            yield "a", name + colon
            yield "", value + "\n"
        else:
            yield "", line + "\n"
    yield "", ("\n" if blank else "") + body.replace("\r\n", "\n")


@lru_cache(maxsize=4)
def _sample(rendered: RenderedMessage) -> "Sample":
    from newsletter.checks.sample import sample_of

    return sample_of(rendered.eml, rendered.page, rendered.config, rendered.composed.template, now=datetime.now(UTC))
