"""`check`: what is wrong with a message before anybody gets it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.check_formats import CheckFormat
from newsletter.cli.console import fail, note, paint, plural, say, say_json, short_path
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.checks.finding import Finding
    from newsletter.compose.composer import Composer

MARKS = {"error": "✗", "warning": "!", "info": "·"}
_COLOURS = {"error": "red", "warning": "yellow", "info": "dim"}


@dataclass
class Checked:
    """A post and what was found; or why there is no message to look at."""

    path: Path
    findings: "list[Finding]" = field(default_factory=list)
    refusal: NewsletterError | None = None


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(check)


def check(
    context: typer.Context,
    posts: Annotated[list[str] | None, typer.Argument(metavar="POST…", help="Posts: files, or slugs.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Check every post of the newsletter but drafts.")] = False,
    form: Annotated[
        CheckFormat, typer.Option("--format", help="For people, or for programs: see docs/reference/json.md.")
    ] = CheckFormat.text,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on a warning too.")] = False,
    links: Annotated[
        bool, typer.Option("--links", help="Ask each link and image, and the unsubscribe address.")
    ] = False,
    info: Annotated[bool, typer.Option("--info", help="Show what is only worth knowing, too.")] = False,
) -> None:
    """Check posts' messages as they would be sent.

    Exits with 1 if there is an error. What every post has is said once, at the end. The network is used with --links
    alone. Rules are silenced by name with `[checks] ignore` in newsletter.toml or `checks: {ignore: [...]}` in a post.

    \b
      newsletter check posts/2026-05-04-hello.md
      newsletter check hello --links --strict
      newsletter check --all
    """
    from newsletter.cli.loop import run_async
    from newsletter.cli.posts import find_post
    from newsletter.compose.composer import Composer
    from newsletter.config.settings import load_config
    from newsletter.site.discover import find_posts

    if bool(posts) == every:
        raise NewsletterError("name one or more posts, or give --all" if not every else "--all needs no post named")
    composer = Composer(load_config(context.obj))
    if posts:
        paths = list(dict.fromkeys(find_post(composer.config, composer.site, typed) for typed in posts))
    else:
        paths = find_posts(composer.config, composer.site)
    form = CheckFormat.json if as_json else form
    alone = len(posts or ()) == 1 and form in (CheckFormat.text, CheckFormat.json)
    checked = run_async(_check(composer, paths, links=links, drafts=not every, alone=alone))
    if not checked:
        raise NewsletterError("there is no post to check; `newsletter new TITLE` makes one")
    if form is CheckFormat.text:
        _show(checked, info=info)
    else:
        _print(checked, form, composer.config.root, info=info, strict=strict, several=len(posts or ()) != 1)
    if any(one.refusal for one in checked):
        raise typer.Exit(2)
    bad = {"error", "warning"} if strict else {"error"}
    if any(finding.severity in bad for one in checked for finding in one.findings):
        raise typer.Exit(1)


async def _check(
    composer: "Composer", paths: Iterable[Path], *, links: bool, drafts: bool, alone: bool
) -> list[Checked]:
    """What is found in each; a post that can't be composed stops nothing but its own check, unless it is alone."""
    from newsletter.audience.source import one_subscriber
    from newsletter.checks.post import find_findings

    checked = []
    reader = one_subscriber(composer.config)
    for path in paths:
        one = Checked(path)
        try:
            page = composer.read(path.absolute())
            if page.post.draft and not drafts:
                continue
            one.findings = await find_findings(composer.compose(page), reader, links=links)
        except NewsletterError as error:
            if alone:
                raise
            one.refusal = error
        checked.append(one)
    return checked


def _print(
    checked: Sequence[Checked], form: CheckFormat, root: Path, *, info: bool, strict: bool, several: bool
) -> None:
    """The findings for a program, with what is only worth knowing where `info` asks for it; refusals on stderr."""
    from newsletter.checks.finding import Finding
    from newsletter.cli import check_formats as formats

    found, posts = [], []
    for one in checked:
        findings = [finding for finding in one.findings if info or finding.severity != "info"]
        if one.refusal is not None and form is not CheckFormat.json:
            refusal = one.refusal
            findings.append(Finding(formats.REFUSED, "error", refusal.what, refusal.line, "", refusal.path or ""))
        found += formats.locate(findings, one.path, root)
        posts.append(formats.from_repository(one.path, root))
        _refused(one)
    if form is CheckFormat.json:
        say_json(formats.as_rows(found, several=several))
    elif form is CheckFormat.github:
        if found:
            print(formats.as_github(found))  # noqa: T201 (a program reads it: never folded)
    elif form is CheckFormat.sarif:
        print(formats.as_sarif(found))  # noqa: T201
    else:
        print(formats.as_junit(found, posts, strict=strict))  # noqa: T201


def _show(checked: Sequence[Checked], *, info: bool) -> None:
    """The findings of each post, then those that every post has; and how many there are."""
    several = len(checked) > 1
    everywhere = set.intersection(*(set(one.findings) for one in checked)) if several else set()
    for one in checked:
        own = [
            finding for finding in one.findings if finding not in everywhere and (info or finding.severity != "info")
        ]
        if several and (own or one.refusal):
            note(paint(short_path(str(one.path)), "bold"))
        _refused(one)
        show(own)
    shared = [one for one in checked[0].findings if one in everywhere and (info or one.severity != "info")]
    if shared:
        note(paint("Every post", "bold"))
        show(shared)
    if several and (needs := Counter(one.refusal.what for one in checked if one.refusal)):
        note(paint("What the site's posts need, by how many", "bold"))
        for what, count in needs.most_common():
            note(f"{count:>5}  {what}", hang=7)
    counts = Counter(finding.severity for one in checked for finding in one.findings if finding not in everywhere)
    counts.update(finding.severity for finding in everywhere)
    told = [
        paint(plural(counts[kind], kind), _COLOURS[kind] if counts[kind] else "green") for kind in ("error", "warning")
    ]
    hidden = " (--info shows it)" if counts["info"] and not info else ""
    say((f"{len(checked)} posts: " if several else "") + f"{', '.join(told)}, {counts['info']} for information{hidden}")


def _refused(one: Checked) -> None:
    if one.refusal is not None:
        one.refusal.path = short_path(one.refusal.path) if one.refusal.path else None
        fail(str(one.refusal), 2)


def show(findings: "Iterable[Finding]") -> None:
    """The findings on stderr, a line each, and below those of one kind the hint that they share."""
    found = list(findings)
    for finding, after in zip(found, [*found[1:], None], strict=False):
        where = f"{short_path(finding.source)}:{finding.line}: " if finding.source and finding.line else ""
        mark = paint(f"{MARKS[finding.severity]} {finding.severity}", _COLOURS[finding.severity])
        note(f"{mark} {where}{finding.message} {paint(f'[{finding.rule}]', 'dim')}", hang=2)
        if after is None or after.hint != finding.hint:
            note(f"    {finding.hint}")


def foretell(obstacles: Iterable[NewsletterError]) -> None:
    """Say what a live send would stop at, where this one is none: in a line, or a line each below one."""
    told = []
    for obstacle in obstacles:
        obstacle.path = short_path(obstacle.path) if obstacle.path else None
        told.append(str(obstacle).replace(", nothing was sent", ""))
    if len(told) == 1:
        note(f"warning: a live send would stop: {told[0]}", hang=2)
    elif told:
        note("warning: a live send would stop, for these reasons:")
        for one in told:
            note(f"  {one}", hang=4)
