"""`render`: one message, to look at or to pipe on."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.console import note
from newsletter.errors import NewsletterError


class MessageFormat(StrEnum):
    """What to show of a message."""

    html = "html"
    text = "text"
    eml = "eml"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(render)


def render(
    context: typer.Context,
    post: Annotated[str, typer.Argument(metavar="POST", help="The post's file, or its slug.")],
    email: Annotated[str | None, typer.Option("--for", metavar="EMAIL", help="As this subscriber gets it.")] = None,
    form: Annotated[MessageFormat, typer.Option("--format", help="What to show of it.")] = MessageFormat.html,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there.")] = None,
) -> None:
    """Render one message, the very bytes that would be sent.

    For the first subscriber on the list, unless --for names another.

    \b
      newsletter render posts/2026-05-04-hello.md -o hello.html
      newsletter render hello --for ada@example.org --format eml
    """
    from newsletter.audience.source import one_subscriber
    from newsletter.cli.posts import compose_post
    from newsletter.config.settings import load_config

    config = load_config(context.obj)
    composed = compose_post(config, post)
    subscriber, columns = one_subscriber(config, email)
    writer = composed.writer(columns)
    if form is MessageFormat.eml:
        data = writer.envelope(subscriber).message
    else:
        parts = writer.decoded(subscriber)
        data = (parts.html if form is MessageFormat.html else parts.text).encode()
        data += b"" if data.endswith(b"\n") else b"\n"
    if output is None:
        sys.stdout.buffer.write(data)
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise NewsletterError(f"can't be written: {error.strerror}; name another file with -o", path=output) from None
    note(f"wrote {output} ({len(data):,} bytes)")
