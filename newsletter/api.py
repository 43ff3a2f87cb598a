"""The newsletter as a library: load, compose, check, send, follow. The command line goes through the same functions.

What stands here and in `newsletter.__all__` is stable: within one major version names, parameters and meanings stay,
and what joins is optional (docs/reference/library.md). Everything else in the package may change with any release.
Functions that speak to the network or wait are coroutines. Errors are `NewsletterError`: where, what, the next step.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import newsletter.compose  # noqa: F401 (its package is made callable below)
from newsletter.config.settings import Config, load_config
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.checks.finding import Finding
    from newsletter.compose.composer import Composed, Composer
    from newsletter.delivery.ledger.plan import Plan
    from newsletter.delivery.progress import Progress, Report

__all__ = ["Letter", "check", "compose", "follow", "load", "send"]


@dataclass(frozen=True, eq=False)
class Letter:
    """A newsletter: its settings, and the site that its posts live in, which is read once."""

    config: Config
    composer: "Composer"

    @property
    def root(self) -> Path:
        """The folder of newsletter.toml."""
        return self.config.root

    def posts(self) -> list[Path]:
        """Every post and draft, the newest first."""
        from newsletter.site.discover import find_posts

        return find_posts(self.config, self.composer.site)


def load(path: str | Path | None = None) -> Letter:
    """The newsletter of a newsletter.toml: `path`, or the one found from the working directory upward."""
    return of_config(load_config(Path(path) if path is not None else None))


def of_config(config: Config) -> Letter:
    """The newsletter of settings that were read already."""
    from newsletter.compose.composer import Composer

    return Letter(config, Composer(config))


def compose(newsletter: Letter, post: str | Path, *, again: str | None = None) -> "Composed":
    """The issue that the post at `post` becomes; a relative path is the newsletter's.

    `again` names a second issue of it. `composed.issue` has `id`, `subject` and all that is sent;
    `composed.message(email)` is the message of one reader.
    """
    return newsletter.composer.compose(newsletter.composer.read(newsletter.root / post), again)


async def check(composed: "Composed", *, links: bool = False) -> "list[Finding]":
    """What is wrong with the message that the first subscriber gets; `links` asks every link over the network.

    A finding has `rule`, `severity` ("error", "warning", "info"), `message`, `line`, `hint` and `source`.
    """
    from newsletter.checks.post import find_findings

    return await find_findings(composed, links=links)


async def send(
    composed: "Composed",
    *,
    relays: Sequence[str] = (),
    where: str | None = None,
    limit: int | None = None,
    force: bool = False,
    no_wait: bool = True,
    git_commit: str | None = None,
    on_progress: "Callable[[Progress], None] | None" = None,
    stop: asyncio.Event | None = None,
) -> "Report":
    """Send the issue to every subscriber who does not have it; safe to repeat. What was done, in counts.

    `relays` are URLs, by default the configured ones. As `newsletter send --yes` does, it refuses what must not be
    sent; `force` sends what the site does not publish, or the checks find errors in. With `no_wait`, who is deferred is
    left to the next run. `stop`, when set, ends the run in good order. In a CI job without a ledger nothing is refused
    here: whoever calls this knows whether the state was lost.
    """
    from newsletter.audience.segment import compile_segment
    from newsletter.audience.source import open_list
    from newsletter.checks.obstacles import all_in_one, lacking, unpublished, wrong
    from newsletter.compose.composer import issue_writer
    from newsletter.delivery.engine import deliver_plan
    from newsletter.delivery.ledger.open import open_ledger
    from newsletter.delivery.ledger.plan import make_plan
    from newsletter.delivery.pace import RetryPolicy
    from newsletter.delivery.waiting import wait_until
    from newsletter.smtp.relay import configured_relays
    from newsletter.state import database_of

    config, issue = composed.config, composed.issue
    through = configured_relays(config, relays) if relays or config.smtp.urls else ()
    if lacks := lacking(config, has_relay=bool(through)):
        raise all_in_one(lacks, config)
    if not force:
        for obstacle in unpublished(composed.page, datetime.now().astimezone()):
            raise obstacle
        for obstacle in wrong(await check(composed), composed.page):
            raise obstacle
    rows = open_list(config)
    chosen = compile_segment(where, rows.columns) if where is not None else None
    policy = config.delivery
    with open_ledger(database_of(config)) as ledger:
        ledger.hold(issue.id)
        audience = ledger.read_audience(rows.blocks(), chosen)
        second = issue.id != composed.page.post.slug
        plan = make_plan(ledger, issue, audience, limit=limit, second=second, root=config.root)
        if composed.send_before is not None:
            plan = replace(plan, asked=replace(plan.asked, send_before=composed.send_before.timestamp()))
        stop = stop or asyncio.Event()

        async def begin() -> "Plan | None":
            return plan if await wait_until(ledger, plan.asked.starts or 0.0, stop) else None

        return await deliver_plan(
            ledger, plan, issue_writer(config, plan.issue), through, git_commit=git_commit, on_progress=on_progress,
            begin=begin, stop=stop, no_wait=no_wait,
            retry=RetryPolicy.parse(policy.retry_first, policy.retry_max, policy.give_up),
        )  # fmt: skip


async def follow(newsletter: Letter, issue: str, *, every: float = 1.0) -> AsyncIterator[Mapping[str, Any]]:
    """How an issue stands, now and whenever that has changed, until nobody is left to be sent to.

    Each value is what `newsletter status ISSUE --json` prints. `every`: seconds between two looks.
    """
    from newsletter.delivery.ledger.report import issue_counts
    from newsletter.state import database_of

    state = database_of(newsletter.config)
    if not state.exists():
        raise NewsletterError(f"no issue {issue!r}; none has been sent yet")
    engine = state.engine()
    try:
        seen: Mapping[str, Any] | None = None
        while True:
            [now] = issue_counts(engine, issue)
            if now != seen:
                yield now
            seen = now
            if not (now["pending"] or now["sending"] or now["deferred"]):
                return
            await asyncio.sleep(every)
    finally:
        engine.dispose()


class _ComposeRoom(ModuleType):
    """The package `newsletter.compose`, which is the library's function of that name as well."""

    def __call__(self, newsletter: Letter, post: str | Path, *, again: str | None = None) -> "Composed":
        return compose(newsletter, post, again=again)


sys.modules["newsletter.compose"].__class__ = _ComposeRoom
