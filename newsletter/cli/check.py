"""`check`: what is wrong with a message before anybody gets it."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.console import note, plural, say, say_json, short_path

if TYPE_CHECKING:
    from newsletter.checks import Finding, Sample
    from newsletter.compose.composer import Composed
    from newsletter.config.settings import Config

MARKS = {"error": "✗", "warning": "!", "info": "·"}


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(check)


def check(
    context: typer.Context,
    post: Annotated[str, typer.Argument(metavar="POST", help="The post's file, or its slug.")],
    as_json: Annotated[bool, typer.Option("--json", help="A list of findings, for programs.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on a warning too.")] = False,
    links: Annotated[
        bool, typer.Option("--links", help="Ask each link and image, and the unsubscribe address.")
    ] = False,
    info: Annotated[bool, typer.Option("--info", help="Show what is only worth knowing, too.")] = False,
) -> None:
    """Check a post's message as it would be sent.

    Exits with 1 if there is an error. The network is used with --links alone. Rules are silenced by name with
    `[checks] ignore` in newsletter.toml or `checks: {ignore: [...]}` in the post.

    \b
      newsletter check posts/2026-05-04-hello.md
      newsletter check hello --links --strict
    """
    from newsletter.cli.loop import run_async
    from newsletter.cli.posts import compose_post
    from newsletter.config.settings import load_config

    config = load_config(context.obj)
    composed = compose_post(config, post)
    findings = run_async(find(composed, links=links))
    if as_json:
        say_json([asdict(finding) for finding in findings])
    else:
        show(findings if info else [finding for finding in findings if finding.severity != "info"])
        counts = {kind: sum(finding.severity == kind for finding in findings) for kind in MARKS}
        told = f"{plural(counts['error'], 'error')}, {plural(counts['warning'], 'warning')}"
        say(f"{told}, {counts['info']} for information" + (" (--info shows it)" if counts["info"] and not info else ""))
    bad = {"error", "warning"} if strict else {"error"}
    if any(finding.severity in bad for finding in findings):
        raise typer.Exit(1)


async def find(composed: "Composed", *, links: bool = False) -> "list[Finding]":
    """Every finding about the message that the first subscriber would get; `links` asks the network."""
    from newsletter.audience.source import one_subscriber
    from newsletter.checks import check_links, check_message, check_spam, in_order, sample_of

    subscriber, columns = one_subscriber(composed.config)
    message = composed.writer(columns).envelope(subscriber).message
    sample = sample_of(message, composed.page.post, composed.config, composed.template)
    findings = check_message(sample)
    findings += await check_spam(sample, composed.config.checks.spamd)
    if links:
        findings += await check_links(sample)
        findings += await _check_unsubscribe(composed.config, sample)
    return in_order(findings)


async def _check_unsubscribe(config: "Config", sample: "Sample") -> "list[Finding]":
    """What is wrong with what answers at `[unsubscribe] url`; that it answered is remembered for the plan of `send`."""
    from newsletter.audience.token import load_secret
    from newsletter.checks import check_unsubscribe
    from newsletter.cli.answered import remember_answer

    if not config.unsubscribe.url or "unsubscribe-answer" in sample.ignore:
        return []
    found = await check_unsubscribe(sample, config.unsubscribe.url, load_secret(config, to_look=True))
    if not found:
        remember_answer(config)
    return found


def show(findings: "list[Finding]") -> None:
    """The findings, a line each with its hint below, on stderr."""
    for finding in findings:
        where = f"{short_path(finding.source)}:{finding.line}: " if finding.source and finding.line else ""
        note(f"{MARKS[finding.severity]} {where}{finding.message} [{finding.rule}]")
        note(f"    {finding.hint}")
