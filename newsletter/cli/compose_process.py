"""Compose and check the post of a send in a process of its own, while `send` takes the lease and reads the list.

A refused second sender is told before its post is composed; and what composing loads (premailer, lxml, markdown: some
25 MB) goes with that process, so that a send to a million people stays small.
"""

import multiprocessing
import signal
import sys
from collections import Counter
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from newsletter.cli.console import note, plural
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.compose.composer import Composed
    from newsletter.compose.issue import Issue
    from newsletter.config.settings import Config


class Composing:
    """The post that `typed` names, on its way to an issue. To be made before threads and event loops.

    `live`: refuse what must not be sent (drafts, a newsletter without a way to unsubscribe, errors in the checks unless
    `force`); else that is only warned of.
    """

    def __init__(self, config: "Config", typed: str, again: str | None, *, live: bool, force: bool) -> None:
        processes = multiprocessing.get_context("fork")
        self._answers, answers = processes.Pipe(duplex=False)
        process = processes.Process(target=_compose, args=(answers, config, typed, again, live, force), daemon=True)
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


def _compose(answers: Connection, config: "Config", typed: str, again: str | None, live: bool, force: bool) -> None:
    """In the process of its own: the answers are the id, then (issue, findings); or what went wrong."""
    from newsletter.cli.loop import run_async
    from newsletter.cli.posts import find_post
    from newsletter.compose.composer import Composer

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for us is stopped, and ends us
    try:
        composer = Composer(config)
        page = composer.read(find_post(config, composer.site, typed))
        post = page.post
        answers.send(("id", again or post.slug))
        if live and post.draft:
            raise NewsletterError("is a draft; take `draft: true` or `published: false` out to send it", path=post.path)
        if live and not force and not post.body.strip():
            raise NewsletterError("has no words yet; write some, or give --force to send it so", path=post.path)
        composed = composer.compose(page, again)
        answers.send(("issue", (composed.issue, run_async(_inspect(composed, live=live, force=force)))))
    except NewsletterError as error:
        answers.send(("error", (error.what, error.path, error.line)))
    except BrokenPipeError:
        sys.exit(0)  # nobody waits any more
    except OSError as error:
        answers.send(("mishap", error))


async def _inspect(composed: "Composed", *, live: bool, force: bool) -> Counter[str]:
    """Refuse what must not go out; what is only to be warned of is said. How many findings there are, by severity."""
    from newsletter.audience.source import open_list
    from newsletter.cli.check import find, show

    for what, hint in missing(composed.config):
        if live:
            raise NewsletterError(f"{what}; {hint}", path=composed.config.path)
        note(f"warning: {what}; a live send needs it: {hint}")
    composed.writer(open_list(composed.config).columns)
    findings = await find(composed)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors and live and not force:
        show(errors)
        raise NewsletterError(
            f"the checks found {plural(len(errors), 'error')}, nothing was sent; mend them, or give --force",
            path=composed.page.post.path,
        )
    return Counter(finding.severity for finding in findings)


def missing(config: "Config") -> list[tuple[str, str]]:
    """What the law, or mailbox providers, ask of a newsletter and this one lacks: (what, how to mend it)."""
    from newsletter.config.settings import PLACEHOLDER

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
    return lacks
