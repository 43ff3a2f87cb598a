"""Compose and check the post of a send in a process of its own, while `send` takes the lease and reads the list.

A refused second sender is told before its post is composed; and what composing loads (premailer, lxml, markdown: some
25 MB) goes with that process, so that a send to a million people stays small.
"""

import multiprocessing
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsletter.cli.commit import refuse_dirty
from newsletter.cli.console import note, plural, short_path
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.compose.composer import Composed, Composer
    from newsletter.compose.issue import Issue
    from newsletter.config.settings import Config


class Composing:
    """The post that `typed` names, on its way to an issue. To be made before threads and event loops.

    `live`: refuse what must not be sent (a newsletter without a way to unsubscribe; unless `force`, posts that the site
    does not publish at `when`, and errors in the checks); else that is only warned of.
    """

    def __init__(
        self, config: "Config", typed: str, again: str | None, *, live: bool, force: bool, when: datetime | None = None,
        digest: tuple[Path, ...] = (), day: datetime | None = None, clean: "Config | None" = None,
    ) -> None:  # fmt: skip
        now = datetime.now().astimezone()
        asked = _Asked(config, typed, again, live, force, when or now, digest, day or now, clean)
        processes = multiprocessing.get_context("fork")
        self._answers, answers = processes.Pipe(duplex=False)
        process = processes.Process(target=_compose, args=(answers, asked), daemon=True)
        process.start()
        answers.close()

    def issue_id(self) -> str:
        """The issue's id, which is known first. Raises NewsletterError."""
        return str(self._receive())

    def issue(self) -> "tuple[Issue, Counter[str]]":
        """The issue once composed, and how many findings of each severity it has. Raises NewsletterError."""
        issue, findings = self._receive()
        return issue, findings

    def _receive(self) -> Any:
        try:
            kind, value = self._answers.recv()
        except EOFError:
            raise NewsletterError("composing ended without a word; `newsletter render` shows why") from None
        if kind == "error":
            what, path, line = value
            raise NewsletterError(what, path=path, line=line)
        if kind == "mishap":
            raise value
        return value


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the process is to compose, and how strictly."""

    config: "Config"
    typed: str
    again: str | None
    live: bool
    force: bool
    when: datetime  # it is to be sent
    digest: tuple[Path, ...]  # the posts of a digest, whose id is `again`
    day: datetime  # of the digest
    clean: "Config | None"  # refuse a post that is not as it was committed in this folder


def _compose(answers: Connection, asked: _Asked) -> None:
    """In the process of its own: the answers are the id, then (issue, findings); or what went wrong."""
    from newsletter.cli.loop import run_async
    from newsletter.cli.posts import find_post
    from newsletter.compose.composer import Composer
    from newsletter.site.publication import why_withheld

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for us is stopped, and ends us
    try:
        composer = Composer(asked.config)
        if asked.digest:
            _compose_digest(answers, asked, composer)
            return
        page = composer.read(find_post(asked.config, composer.site, asked.typed))
        if asked.clean is not None:
            refuse_dirty(asked.clean, asked.clean.root / page.post.path.relative_to(asked.config.root))
        post, strict = page.post, asked.live and not asked.force
        answers.send(("id", asked.again or post.slug))
        if strict and (withheld := why_withheld(page, asked.when)):
            what = f"{withheld.reason}; {withheld.mend}, or give --force to send it all the same"
            raise NewsletterError(what, path=withheld.path, line=withheld.line)
        if strict and not post.body.strip():
            raise NewsletterError("has no words yet; write some, or give --force to send it so", path=post.path)
        composed = composer.compose(page, asked.again)
        answers.send(("issue", (composed.issue, run_async(_inspect(composed, asked)))))
    except NewsletterError as error:
        answers.send(("error", (error.what, error.path, error.line)))
    except BrokenPipeError:
        sys.exit(0)  # nobody waits any more
    except OSError as error:
        answers.send(("mishap", error))


def _compose_digest(answers: Connection, asked: _Asked, composer: "Composer") -> None:
    """As for one post, of several; whether the site publishes them was asked when they were chosen."""
    from newsletter.cli.loop import run_async

    pages = [composer.read(path) for path in asked.digest]
    for page in pages:
        if asked.clean is not None:
            refuse_dirty(asked.clean, asked.clean.root / page.post.path.relative_to(asked.config.root))
    answers.send(("id", asked.again))
    composed = composer.compose_digest(pages, asked.again or "", asked.day)
    answers.send(("issue", (composed.issue, run_async(_inspect(composed, asked)))))


async def _inspect(composed: "Composed", asked: _Asked) -> Counter[str]:
    """Refuse what must not go out; what is only to be warned of is said. How many findings there are, by severity."""
    from newsletter.audience.source import open_list
    from newsletter.cli.check import find_findings, show

    if not asked.live:
        warn(composed, asked.when)
    elif lacks := missing(composed.config):
        what, hint = lacks[0]
        raise NewsletterError(f"{what}; {hint}", path=composed.config.path)
    composed.writer(open_list(composed.config).columns)
    findings = await find_findings(composed)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors and asked.live and not asked.force:
        show(errors)
        raise NewsletterError(
            f"the checks found {plural(len(errors), 'error')}, nothing was sent; mend them, or give --force",
            path=composed.page.post.path,
        )
    return Counter(finding.severity for finding in findings)


def warn(composed: "Composed", when: datetime) -> None:
    """Say what would stop a live send at `when`, where this one is none."""
    from newsletter.site.publication import why_withheld

    for what, hint in missing(composed.config):
        note(f"warning: {what}; a live send needs it: {hint}")
    if withheld := why_withheld(composed.page, when):
        where = short_path(str(withheld.path)) + (f":{withheld.line}" if withheld.line else "")
        note(f"warning: {where}: {withheld.reason}; a live send asks for --force")


def missing(config: "Config") -> list[tuple[str, str]]:
    """What the law, or mailbox providers, ask of a newsletter and this one lacks: (what, how to mend it)."""
    from newsletter.config.settings import PLACEHOLDER, PLACEHOLDER_NAME

    lacks = []
    if not (config.unsubscribe.url or config.unsubscribe.mailto):
        lacks.append(("there is no way to unsubscribe", "set [unsubscribe] url or mailto"))
    if not config.newsletter.postal_address:
        lacks.append(("there is no postal address, which the law asks for", "set [newsletter] postal_address"))
    own = (
        ("newsletter", "author", config.newsletter.author),
        ("newsletter", "reply_to", config.newsletter.reply_to),
        ("smtp", "mail_from", config.smtp.mail_from),
        ("unsubscribe", "mailto", config.unsubscribe.mailto),
    )
    for table, key, value in own:
        if value.rpartition("<")[2].strip("> ").lower() == PLACEHOLDER:
            lacks.append((f"{PLACEHOLDER} stands for an address of yours", f"set [{table}] {key} to it"))
    if config.newsletter.author.rpartition("<")[0].strip(' "') == PLACEHOLDER_NAME:
        lacks.append((f"{PLACEHOLDER_NAME!r} stands for a name of yours", "set [newsletter] author to it"))
    return lacks
