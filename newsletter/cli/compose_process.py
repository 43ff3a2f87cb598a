"""Compose and check the post of a send in a process of its own, while `send` takes the lease and reads the list.

A refused second sender is told before its post is composed; and what composing loads (premailer, lxml, markdown: some
25 MB) goes with that process, so that a send to a million people stays small.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsletter.cli.commit import refuse_dirty
from newsletter.cli.forked import Forked
from newsletter.cli.unchanged import fingerprint, is_known
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.checks.finding import Finding
    from newsletter.compose.composer import Composed
    from newsletter.compose.issue import Issue
    from newsletter.config.settings import Config
    from newsletter.site.page import Page


_SILENT = "the post could not be composed; `newsletter render` shows why"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A post's issue, and what is to be known of it before it is sent."""

    issue: "Issue"
    findings: "tuple[Finding, ...]"
    send_before: datetime | None
    dated: datetime | None  # the post's own date, where that is yet to come
    inputs: str  # `cli.unchanged.fingerprint` of what it was made of; empty where that is not asked for


class Composing:
    """The post that `typed` names, on its way to an issue. To be made before threads and event loops.

    `live`: refuse what must not be sent (a newsletter that lacks something, as its relay; unless `force`, posts that
    the site does not publish at `when`, and errors in the checks); else that is only warned of. `compares`: what is as
    it was when the issue was frozen is not composed before `prepared` asks for it.
    """

    def __init__(
        self, config: "Config", typed: str, again: str | None, *, live: bool, force: bool, has_relay: bool = True,
        when: datetime | None = None, digest: tuple[Path, ...] = (), day: datetime | None = None,
        clean: "Config | None" = None, compares: bool = False,
    ) -> None:  # fmt: skip
        now = datetime.now().astimezone()
        asked = _Asked(config, typed, again, live, force, has_relay, when or now, digest, day or now, clean, compares)
        self._process = Forked(_compose, asked)
        self._told: Prepared | None = None

    def issue_id(self) -> str:
        """The issue's id, which is known first. Raises NewsletterError."""
        return str(self._process.receive(_SILENT))

    def is_unchanged(self) -> bool:
        """Whether it need not be composed to know that it is what was frozen; if so, `prepared` composes it after all.

        Raises NewsletterError for what is in its way.
        """
        self._told = self._process.receive(_SILENT)
        return self._told is None

    def prepared(self) -> Prepared:
        """The issue once composed, and what was found; to be asked after `is_unchanged`. Raises NewsletterError."""
        if self._told is None:
            self._process.ask("compose")
            self._told = self._process.receive(_SILENT)
        assert isinstance(self._told, Prepared)
        return self._told


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the process is to compose, and how strictly."""

    config: "Config"
    typed: str
    again: str | None
    live: bool
    force: bool
    has_relay: bool
    when: datetime  # it is to be sent
    digest: tuple[Path, ...]  # the posts of a digest, whose id is `again`
    day: datetime  # of the digest
    clean: "Config | None"  # refuse a post that is not as it was committed in this folder
    compares: bool  # say whether it is what was frozen, before it is composed


def _compose(send_back: Callable[[Any], None], waited: Callable[[], Any], asked: _Asked) -> None:
    """In the process of its own: send the id back, then what is prepared; before that None, where nothing has changed
    since the issue was composed, and wait whether it is to be composed again.

    Whether the site publishes the posts of a digest was asked when they were chosen.
    """
    from newsletter.checks.obstacles import all_in_one, lacking, unpublished
    from newsletter.cli.posts import find_post
    from newsletter.compose.composer import Composer

    composer = Composer(asked.config)
    paths = asked.digest or (find_post(asked.config, composer.site, asked.typed),)
    pages = [_clean(composer.read(path), asked) for path in paths]
    id_ = asked.again or pages[0].post.slug
    send_back(id_)
    lacks = lacking(asked.config, has_relay=asked.has_relay)
    if asked.live and lacks:
        raise all_in_one(lacks, asked.config)
    withheld = [] if asked.digest else [*unpublished(pages[0], asked.when)]
    if withheld and asked.live and not asked.force:
        raise withheld[0]
    inputs = fingerprint(asked.config, paths[0], asked.force) if asked.compares and not asked.digest else ""
    if is_known(asked.config, id_, inputs):
        send_back(None)
        if waited() is None:
            return
    if asked.digest:
        composed = composer.compose_digest(pages, asked.again or "", asked.day)
    else:
        composed = composer.compose(pages[0], asked.again)
    send_back(_prepare(composed, asked, [*lacks, *withheld], inputs))


def _prepare(composed: "Composed", asked: _Asked, obstacles: "list[NewsletterError]", inputs: str) -> Prepared:
    """What the checks find, and whether it may go out; `obstacles`: what is known to be in its way."""
    from newsletter.audience.source import first_subscriber, open_list
    from newsletter.checks.obstacles import wrong
    from newsletter.checks.post import find_findings
    from newsletter.cli.check import foretell, show
    from newsletter.cli.loop import run_async

    rows = open_list(asked.config)
    findings = run_async(find_findings(composed, (first_subscriber(rows), rows.columns)))
    errors = [*wrong(findings, composed.page)]
    if not asked.live:
        foretell([*obstacles, *errors])
    elif errors and not asked.force:
        show(finding for finding in findings if finding.severity == "error")
        raise errors[0]
    date = composed.page.post.date
    before = composed.send_before
    return Prepared(composed.issue, tuple(findings), before, date if date and date > asked.when else None, inputs)


def _clean(page: "Page", asked: _Asked) -> "Page":
    """The page. Raises NewsletterError where its post is not as it was committed, and that was asked for."""
    if asked.clean is not None:
        refuse_dirty(asked.clean, asked.clean.root / page.post.path.relative_to(asked.config.root))
    return page
