"""What a user can mend: errors that say where, what, and the next step.

The CLI alone prints them (one line on stderr) and turns them into an exit code; the preview shows them on its
page. Anything else that escapes is a bug.
"""

from pathlib import Path


class NewsletterError(Exception):
    """Something a user can mend; `what` names the fault and, after a semicolon, the next step.

    `path` and `line` (from 1) say where; `str()` is `path:line: what`, the form that editors and terminals link.
    Exit code 2: nothing was sent, nothing was changed.
    """

    exit_code = 2

    def __init__(self, what: str, *, path: Path | str | None = None, line: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.path = str(path) if path is not None else None
        self.line = line

    def __str__(self) -> str:
        where = [str(part) for part in (self.path, self.line) if part is not None]
        return ": ".join([":".join(where), self.what]) if where else self.what


class Refused(NewsletterError):  # noqa: N818 (named for what the relay has done)
    """A relay takes no mail from us until something is mended: some may have been sent, the others are pending."""

    exit_code = 3


class Cancelled(NewsletterError):  # noqa: N818 (named for what was done to the issue)
    """Somebody has cancelled the issue: who was not mailed yet is skipped."""

    exit_code = 3


class TooLate(NewsletterError):  # noqa: N818 (named for what it is)
    """The moment has passed until which an issue may be sent (`send_before`)."""


class TryAgainLater(NewsletterError):  # noqa: N818 (named for what it asks of the user)
    """Another sender holds the issue, or a service is away for now (EX_TEMPFAIL)."""

    exit_code = 75
