"""What a `send` was asked for, as one value: its options, the relays, the moment."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.console import say_json
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.cli.local_time import LocalTimes
    from newsletter.cli.schedule import Passed
    from newsletter.config.settings import Config
    from newsletter.smtp.relay import Relay

SmtpOption = Annotated[
    list[str] | None, typer.Option("--smtp", metavar="URL", help="This relay, instead of the configured one.")
]
ConnectionsOption = Annotated[
    int | None, typer.Option("--connections", metavar="N", min=1, max=1000, help="Open at once.")
]
RateOption = Annotated[
    str | None, typer.Option("--rate", metavar="R", help='Such as 14/s, "14/s 50000/d", "ramp 500/d x1.5".')
]


@dataclass(frozen=True)
class When:
    """What `--at` means."""

    moment: datetime | None  # None: at once, whatever was asked before
    said: tuple[str, ...] = ()  # in words
    passed: "Passed | None" = None  # it is no time to come, unless the issue was begun for it
    local: "LocalTimes | None" = None  # by each reader's clock


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    post: str
    dry_run: bool
    where: str | None
    limit: int | None
    yes: bool
    no_wait: bool
    as_begun: bool
    resend_unknown: bool
    retry_failed: bool
    again: str | None
    excepted: str
    first: bool
    force: bool
    as_json: bool
    at: When | None
    relays: "tuple[Relay, ...]"
    when_live: bool = False
    require_clean: bool = False
    quiet: bool = False
    detach: bool = False
    is_logged: bool = False  # as JSON, for programs
    zone: Callable[[], tzinfo | None] = lambda: None  # the newsletter's, asked where it is needed; None: the machine's
    source: "Config | None" = None  # to compose from, where a commit is named
    commit: str | None = None  # that was named
    digest: tuple[Path, ...] = ()  # the posts of a digest, whose id is `again`
    day: datetime | None = None  # of the digest
    report: Callable[[dict[str, Any]], None] = say_json  # takes what --json says

    @property
    def is_silent(self) -> bool:
        """Whether nothing is said to people while all goes well."""
        return self.as_json or self.quiet


def asked_relays(
    config: "Config", smtp: list[str] | None, connections: int | None, rate: str | None
) -> "tuple[Relay, ...]":
    """The relays, as configured and as asked for; none where none is configured yet, which a rehearsal does without."""
    from newsletter.smtp.rate import parse_rate
    from newsletter.smtp.relay import configured_relays

    relays = configured_relays(config, smtp or ()) if smtp or config.smtp.urls else ()
    asked = parse_rate(rate) if rate is not None else None
    if connections is not None:
        relays = tuple(replace(relay, connections=connections) for relay in relays)
    if asked is not None:
        relays = tuple(replace(relay, rate=asked) for relay in relays)
    return relays


def asked_moment(text: str | None, zone_of: Callable[[], tzinfo | None], *, local: bool) -> When | None:
    """What `--at` means by the newsletter's clocks; with `local`, by each reader's. Raises NewsletterError."""
    if text is None:
        return None
    from newsletter.cli.schedule import NOW, Passed, parse_moment, say_fold, say_moment

    if text.strip().lower() == NOW:
        if local:
            raise NewsletterError("--at now is the same moment for everybody; leave out --local-time")
        return When(None, ("now",))
    zone, passed = zone_of(), None
    if local:
        from newsletter.cli.local_time import LocalTimes

        return When(None, local=LocalTimes(text, zone))
    try:
        moment = parse_moment(text, datetime.now(UTC), zone)
    except Passed as error:
        moment, passed = error.moment, error
    return When(moment, tuple(filter(None, (say_moment(moment), say_fold(moment, zone)))), passed)
