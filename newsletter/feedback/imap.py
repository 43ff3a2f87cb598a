"""Mail that came back, in a folder of an IMAP server: looked at a part at a time, marked or moved, never deleted.

By imap-tools (Apache-2.0), over TLS unless the host is this one. However many mails there are, what is held is their
numbers and a few MB of them. Marks are written for many mails at once, after they were acted on; a run that dies in
between finds in the state what it had done.
"""

import datetime
import imaplib
import re
import ssl
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.feedback.mailbox import LARGEST, Mail
from newsletter.smtp.relay import without_password

if TYPE_CHECKING:
    from imap_tools import BaseMailBox

HANDLED = "$NewsletterHandled"
SEEN = "\\Seen"
SEARCHED = 20_000
"""Mails that are searched at once: a line of answer has a bound (imaplib, 1 MB)."""
BATCH = 200
"""Mails that are fetched, and marked, at once; fewer where they are large."""
BATCH_BYTES = 8_000_000
TIMEOUT = 300.0
"""Seconds for one answer: a first look at a large mailbox takes a slow server minutes."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_JUNK = re.compile(r"(?:^|[./])(?:junk|spam|bulk mail)(?: e-?mail)?$", re.IGNORECASE)
_SIZE = re.compile(rb"UID (\d+) RFC822\.SIZE (\d+)|RFC822\.SIZE (\d+) UID (\d+)")


@dataclass(frozen=True, slots=True)
class ImapBox:
    """`imaps://user@host:993/Folder`; `imap://` speaks STARTTLS, and plain text on this machine alone."""

    scheme: str
    host: str
    port: int
    user: str
    folder: str

    @classmethod
    def parse(cls, url: str) -> "ImapBox":
        """From its URL. Raises NewsletterError."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in {"imap", "imaps"} or not parts.hostname or not parts.username or port == -1:
            raise NewsletterError(f"{without_password(url)!r} is no mailbox; write imaps://user@imap.example.org/INBOX")
        if parts.password is not None:
            raise NewsletterError("a password can't stand in an address; set NEWSLETTER_FEEDBACK__PASSWORD")
        standard = 993 if parts.scheme == "imaps" else 143
        folder = unquote(parts.path.lstrip("/")) or "INBOX"
        return cls(parts.scheme, parts.hostname, port or standard, unquote(parts.username), folder)

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.user} at {self.host}"


@dataclass(frozen=True, slots=True)
class ImapLogin:
    """What opens the mailbox: a password, or an access token (XOAUTH2), which wins."""

    password: str = ""
    token: str = ""


def read_imap(
    box: ImapBox, login: ImapLogin, since: float | None, *, ca_file: Path | None = None, move_to: str = ""
) -> Iterator[Mail]:
    """The mails of an IMAP folder that were not handled yet, from the day of `since` (seconds since the epoch) on.

    Handled ones go to the folder `move_to`, which is made where it is missing; without it they get the keyword
    $NewsletterHandled, or where the server keeps none, are seen. Raises TryAgainLater where the server can't be
    reached, NewsletterError for a login that it refuses.
    """
    with _opened(box, login, ca_file) as mails:
        count = int(mails.folder.set(box.folder)[1][0] or 0)
        mark = _marker(mails, move_to)
        yield from _read(mails, box.folder, _unhandled(mails, count, since), mark)


def find_mail(box: ImapBox, login: ImapLogin, reference: str, ca_file: Path | None = None) -> Iterator[Mail]:
    """The mails of this X-Newsletter-Ref in the folder, and in those for spam. Raises like `read_imap`."""
    with _opened(box, login, ca_file) as mails:
        junk = [one.name for one in mails.folder.list() if "\\Junk" in one.flags or _JUNK.search(one.name)]
        for folder in dict.fromkeys((box.folder, *junk)):
            mails.folder.set(folder)
            _, (found, *_) = mails.client.uid("SEARCH", f'HEADER X-Newsletter-Ref "{reference}"')
            yield from _read(mails, folder, array("L", map(int, (found or b"").split())), _marker(mails, ""))


@contextmanager
def _opened(box: ImapBox, login: ImapLogin, ca_file: Path | None) -> "Iterator[BaseMailBox]":
    """The mailbox, logged in."""
    with _explained(box):
        mails = _connect(box, ca_file)
        try:
            _log_in(mails, box, login)
            yield mails
        finally:
            _leave(mails)


def _connect(box: ImapBox, ca_file: Path | None) -> "BaseMailBox":
    from imap_tools import MailBox, MailBoxStartTls, MailBoxUnencrypted

    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    if box.scheme == "imaps":
        return MailBox(box.host, box.port, timeout=TIMEOUT, ssl_context=context)
    if box.host in _LOOPBACK:
        return MailBoxUnencrypted(box.host, box.port, timeout=TIMEOUT)
    return MailBoxStartTls(box.host, box.port, timeout=TIMEOUT, ssl_context=context)


def _log_in(mails: "BaseMailBox", box: ImapBox, login: ImapLogin) -> None:
    from imap_tools.errors import MailboxLoginError

    try:
        if login.token:
            answers = iter([f"user={box.user}\1auth=Bearer {login.token}\1\1".encode()])
            mails.client.authenticate("XOAUTH2", lambda _: next(answers, b""))  # what went wrong is answered by nothing
        else:
            mails.login(box.user, login.password, initial_folder=None)
    except (imaplib.IMAP4.abort, OSError):
        raise
    except (imaplib.IMAP4.error, MailboxLoginError, UnicodeError):
        mend = (
            "look at what [feedback] oauth prints, and whether its token may read mail as this user"
            if login.token
            else "check the user and NEWSLETTER_FEEDBACK__PASSWORD, or set [feedback] oauth"
        )
        raise NewsletterError(f"{box.name} refuses the login; {mend}") from None


def _unhandled(mails: "BaseMailBox", count: int, since: float | None) -> "array[int]":
    """The UIDs of what may be looked at, in the order of the folder."""
    wanted = f"UNKEYWORD {HANDLED}" if _keeps_keywords(mails) else "UNSEEN"
    if since is not None:
        day = datetime.datetime.fromtimestamp(since - 86_400, datetime.UTC)
        wanted += f" SINCE {day.day}-{_MONTHS[day.month - 1]}-{day.year}"
    found = array("L")
    for first in range(1, count + 1, SEARCHED):
        _, answers = mails.client.uid("SEARCH", f"{first}:{min(first + SEARCHED - 1, count)} {wanted}")
        for answer in answers:
            found.extend(int(uid) for uid in (answer or b"").split())
    return found


def _read(mails: "BaseMailBox", folder: str, found: "array[int]", mark: Callable[[list[int]], None]) -> Iterator[Mail]:
    done: list[int] = []
    try:
        for start in range(0, len(found), BATCH):
            for uids in _portions(mails, found[start : start + BATCH].tolist()):
                _, answers = mails.client.uid("FETCH", _set(uids), f"(UID BODY.PEEK[]<0.{LARGEST + 1}>)")
                for answer in answers:  # the bytes as they lie there
                    if isinstance(answer, tuple) and (uid := re.search(rb"UID (\d+)", answer[0])):
                        number = int(uid[1])
                        yield Mail(f"{folder}:{number}", answer[1], partial(done.append, number))
            if done:
                mark(done)
                done.clear()
    finally:
        if done:
            mark(done)


def _portions(mails: "BaseMailBox", uids: list[int]) -> Iterator[list[int]]:
    """The mails in portions of a bounded size."""
    _, answers = mails.client.uid("FETCH", _set(uids), "(UID RFC822.SIZE)")
    portion: list[int] = []
    total = 0
    for answer in answers:
        line = answer[0] if isinstance(answer, tuple) else answer
        if not line or (match := _SIZE.search(line)) is None:
            continue
        uid, size = int(match[1] or match[4]), min(int(match[2] or match[3]), LARGEST)
        if portion and total + size > BATCH_BYTES:
            yield portion
            portion, total = [], 0
        portion.append(uid)
        total += size
    if portion:
        yield portion


def _marker(mails: "BaseMailBox", move_to: str) -> Callable[[list[int]], None]:
    """What is done to mails that were handled."""
    if not move_to:
        flag = HANDLED if _keeps_keywords(mails) else SEEN

        def mark(uids: list[int]) -> None:
            _store(mails, uids, flag)

        return mark
    _, told = mails.client.capability()  # a server says more of itself after the login; imaplib asked before
    mails.client.capabilities = tuple((told[-1] or b"").decode("ascii", "replace").upper().split())
    moves = "MOVE" in mails.client.capabilities
    if not moves and "UIDPLUS" not in mails.client.capabilities:
        raise NewsletterError(
            "[feedback] move_to: this server can't move mails (RFC 6851) without touching others; leave it empty"
        )
    if not mails.folder.exists(move_to):
        mails.folder.create(move_to)

    def move(uids: list[int]) -> None:
        if moves:
            mails.move(_set(uids), move_to)
        else:
            mails.copy(_set(uids), move_to)
            _store(mails, uids, "\\Deleted")
            mails.client.uid("EXPUNGE", _set(uids))

    return move


def _store(mails: "BaseMailBox", uids: list[int], flag: str) -> None:
    """Set a flag, and nothing else: imap-tools' `flag` expunges besides, what others have marked as deleted too."""
    kind, told = mails.client.uid("STORE", _set(uids), "+FLAGS.SILENT", f"({flag})")
    if kind != "OK":
        raise imaplib.IMAP4.error(f"{flag} can't be set: {told[0]!r}")


def _keeps_keywords(mails: "BaseMailBox") -> bool:
    """Whether the server lets us name marks of our own (RFC 3501 section 7.1, PERMANENTFLAGS); Exchange does not."""
    told = str(mails.client.untagged_responses.get("PERMANENTFLAGS", ""))
    return "\\*" in told or HANDLED.lower() in told.lower()


def _set(uids: list[int]) -> str:
    return ",".join(map(str, uids))


def _leave(mails: "BaseMailBox") -> None:
    try:
        mails.client.logout()
    except (OSError, imaplib.IMAP4.error):
        mails.client.shutdown()


@contextmanager
def _explained(box: ImapBox) -> Iterator[None]:
    """What the server or the network says, for people."""
    from imap_tools.errors import ImapToolsError, MailboxFolderSelectError

    try:
        yield
    except MailboxFolderSelectError:
        raise NewsletterError(f"{box.name} has no folder {box.folder!r}; name one in the address") from None
    except ssl.SSLCertVerificationError as error:
        raise NewsletterError(
            f"{box.name}: its certificate is not trusted ({error.verify_message}); see [feedback] ca_file"
        ) from None
    except (OSError, imaplib.IMAP4.error, ImapToolsError) as error:
        raise TryAgainLater(f"{box.name} can't be read now ({error}); run it again") from None


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
