"""What keeps a post from a live send: what the newsletter lacks, what the site says of the post, what the checks found.

A live send stops at the first; a rehearsal and `--to` name them all, and go on.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.checks.finding import Finding
    from newsletter.config.settings import Config
    from newsletter.site.page import Page


def lacking(config: "Config", *, has_relay: bool) -> list[NewsletterError]:
    """What a live send needs and this newsletter lacks; placeholders of `init` are as none."""
    from newsletter.smtp.relay import no_relay

    lacks = [] if has_relay else [no_relay(config)]
    if not (config.unsubscribe.url or config.unsubscribe.mailto):
        lacks.append(
            _lack(config, "unsubscribe", "url", "there is no way to unsubscribe; set [unsubscribe] url or mailto")
        )
    if not config.newsletter.postal_address:
        what = "there is no postal address, which the law asks for; set [newsletter] postal_address"
        lacks.append(_lack(config, "newsletter", "postal_address", what))
    return [*lacks, *placeholders(config)]


def placeholders(config: "Config") -> list[NewsletterError]:
    """What still stands in newsletter.toml as `init` wrote it, and would go out."""
    from newsletter.config.settings import PLACEHOLDER, PLACEHOLDER_NAME, PLACEHOLDER_TITLE

    found = []
    addresses = (
        ("newsletter", "author", config.newsletter.author),
        ("newsletter", "reply_to", config.newsletter.reply_to),
        ("smtp", "mail_from", config.smtp.mail_from),
        ("unsubscribe", "mailto", config.unsubscribe.mailto),
    )
    for table, key, value in addresses:
        if value.rpartition("<")[2].strip("> ").lower() == PLACEHOLDER:
            what = f"[{table}] {key} still has the sample address {PLACEHOLDER}; write your own"
            found.append(_lack(config, table, key, what))
    if config.newsletter.author.rpartition("<")[0].strip(' "') == PLACEHOLDER_NAME:
        what = f"[newsletter] author still has the sample name {PLACEHOLDER_NAME!r}; write your own"
        found.append(_lack(config, "newsletter", "author", what))
    if config.newsletter.title == PLACEHOLDER_TITLE:
        what = f"[newsletter] title is still {PLACEHOLDER_TITLE!r}; write your newsletter's name"
        found.append(_lack(config, "newsletter", "title", what))
    return found


def all_in_one(lacks: Sequence[NewsletterError], config: "Config") -> NewsletterError:
    """One error that names everything that is lacking, so that nobody mends one a run."""
    if len(lacks) == 1:
        return lacks[0]
    each = "; ".join(f"({number}) {lack.what.replace('; ', ': ')}" for number, lack in enumerate(lacks, 1))
    return NewsletterError(f"{len(lacks)} things to fix before a live send: {each}", path=config.path)


def unpublished(page: "Page", when: datetime) -> Iterator[NewsletterError]:
    """Why a post is not to be mailed at `when`, unless that is meant (`--force`)."""
    from newsletter.site.publication import why_withheld

    if withheld := why_withheld(page, when):
        what = f"{withheld.reason}; {withheld.mend}, or give --force to send it all the same"
        yield NewsletterError(what, path=withheld.path, line=withheld.line)
    if not page.post.body.strip():
        yield NewsletterError("has no words yet; write some, or give --force to send it so", path=page.post.path)


def wrong(findings: "Iterable[Finding]", page: "Page") -> Iterator[NewsletterError]:
    """That the checks found errors, unless they are to be sent (`--force`)."""
    if errors := sum(finding.severity == "error" for finding in findings):
        count = "1 error" if errors == 1 else f"{errors:,} errors"
        what = f"the checks found {count}, nothing was sent; fix them, or give --force"
        yield NewsletterError(what, path=page.post.path)


def _lack(config: "Config", table: str, key: str, what: str) -> NewsletterError:
    where = config.where(table, key)
    return NewsletterError(what, path=where["path"], line=where["line"])
