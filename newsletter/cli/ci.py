"""A CI job begins with a fresh clone, which has forgotten who was mailed: refuse to mail everybody again from one.

What a job keeps, and how: docs/how-to/ci.md.
"""

from typing import TYPE_CHECKING

from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.config.settings import Config


def refuse_forgetful(config: "Config", *, first: bool) -> None:
    """Raise NewsletterError in a CI job that has no ledger of earlier issues, or no secret, unless it is `first`.

    The first one makes the secret.
    """
    from newsletter.audience.token import load_secret
    from newsletter.config.settings import in_job

    if not in_job():
        return
    if first:
        load_secret(config)
        return
    from newsletter.state import database_of
    from newsletter.state.questions import has_issues, read_mark

    ledger = database_of(config)
    hint = "keep it between jobs (docs/how-to/ci.md), or give --first if nothing was ever sent"
    if not has_issues(ledger) and read_mark(ledger, "new") is None:
        raise NewsletterError(f"this CI job has no ledger that knows who was mailed; {hint}", path=ledger.name)
    if not (config.secret.get_secret_value() or (config.state_dir / "secret").exists()):
        what = "this CI job has no secret, and with a new one the links in mails already sent stop working; "
        raise NewsletterError(f"{what}set NEWSLETTER_SECRET, or {hint}", path=config.state_dir / "secret")
