"""Where mail that came back lies: files, standard input, a Maildir, an mbox, an IMAP mailbox.

Each source yields mails, oldest first, each with what marks it as handled: a flag, never a deletion. What a mail says
is `read`'s business. IMAP by imap-tools (Apache-2.0), over TLS unless the host is this one.
"""

import datetime
import imaplib
import mailbox
import re
import ssl
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.smtp.relay import without_password

if TYPE_CHECKING:
    from imap_tools import AND, BaseMailBox

LARGEST = 25_000_000
"""Bytes of a mail that are read; no notice is as large."""
BATCH = 100
"""Mails that are fetched from IMAP at once."""
HANDLED = "$NewsletterHandled"
_JUNK = re.compile(r"(?:^|[./])(?:junk|spam|bulk mail)(?: e-?mail)?$", re.IGNORECASE)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail: where it lies, for people; its bytes; and `mark`, which says that it was handled."""

    name: str
    data: bytes
    mark: Callable[[], None]


def _nothing() -> None:
    """Files given by name are left as they are: the state knows what was handled."""


def read_files(names: Iterable[str]) -> Iterator[Mail]:
    """The mails in files; `-` is standard input. Raises NewsletterError for one that can't be read."""
    for name in names:
        try:
            data = sys.stdin.buffer.read(LARGEST + 1) if name == "-" else _bytes(Path(name))
        except OSError as error:
            raise NewsletterError(f"can't be read: {error.strerror}; name a file with one mail", path=name) from None
        yield Mail(name, data, _nothing)


def read_maildir(folder: Path) -> Iterator[Mail]:
    """The mails of a Maildir that nobody has looked at; what was handled is marked as seen."""
    if not (folder / "new").is_dir() or not (folder / "cur").is_dir():
        raise NewsletterError("is no Maildir; name a folder that has new/ and cur/ in it", path=folder)
    unseen = [path for path in (folder / "cur").iterdir() if "S" not in path.name.rpartition(":2,")[2]]
    for path in sorted([*(folder / "new").iterdir(), *unseen], key=lambda path: path.name):
        try:
            data = _bytes(path)
        except OSError:  # somebody else has moved it
            continue
        yield Mail(str(path.relative_to(folder)), data, partial(_see, path, folder))


def read_mbox(path: Path) -> Iterator[Mail]:
    """The mails of an mbox file, which stays as it is."""
    if not path.is_file():
        raise NewsletterError("is no mbox file; name the file", path=path)
    box = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(box.iterkeys(), 1):
            with box.get_file(key) as file:
                yield Mail(f"{path}:{number}", file.read(LARGEST + 1), _nothing)
    finally:
        box.close()


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


def read_imap(
    box: ImapBox, login: Callable[[], tuple[str, str]], since: float | None, ca_file: Path | None = None
) -> Iterator[Mail]:
    """The mails of an IMAP folder that were not handled yet, from the day of `since` (seconds since the epoch) on.

    `login` gives ("password", …) or ("token", …) for XOAUTH2. Handled mails get the keyword $NewsletterHandled, or
    where the server keeps none, are seen. Raises TryAgainLater where the server can't be reached.
    """
    from imap_tools import AND

    with _opened(box, login, ca_file) as mails:
        wanted = AND(no_keyword=HANDLED)
        if since is not None:
            wanted = AND(wanted, date_gte=datetime.datetime.fromtimestamp(since - 86_400, datetime.UTC).date())
        yield from _fetched(mails, box.folder, wanted)


def find_mail(
    box: ImapBox, login: Callable[[], tuple[str, str]], reference: str, ca_file: Path | None = None
) -> Iterator[Mail]:
    """The mails of this X-Newsletter-Ref in the folder, and in those for spam. Raises like `read_imap`."""
    from imap_tools import AND, Header

    with _opened(box, login, ca_file) as mails:
        junk = [one.name for one in mails.folder.list() if "\\Junk" in one.flags or _JUNK.search(one.name)]
        for folder in dict.fromkeys((box.folder, *junk)):
            mails.folder.set(folder)
            yield from _fetched(mails, folder, AND(header=[Header("X-Newsletter-Ref", reference)]))


@contextmanager
def _opened(box: ImapBox, login: Callable[[], tuple[str, str]], ca_file: Path | None) -> "Iterator[BaseMailBox]":
    """The mailbox, logged in, its folder chosen."""
    from imap_tools import MailBox, MailBoxStartTls, MailBoxUnencrypted

    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    with _explained(box):
        opened: BaseMailBox
        if box.scheme == "imaps":
            opened = MailBox(box.host, box.port, timeout=60, ssl_context=context)
        elif box.host in _LOOPBACK:
            opened = MailBoxUnencrypted(box.host, box.port, timeout=60)
        else:
            opened = MailBoxStartTls(box.host, box.port, timeout=60, ssl_context=context)
        kind, secret = login()
        log_in = opened.xoauth2 if kind == "token" else opened.login
        with log_in(box.user, secret, initial_folder=box.folder) as mails:
            yield mails


def _fetched(mails: "BaseMailBox", folder: str, wanted: "AND") -> Iterator[Mail]:
    """The chosen folder's mails that match, as their bytes lie there."""
    found = mails.uids(wanted)
    for start in range(0, len(found), BATCH):
        uids = ",".join(found[start : start + BATCH])
        _, answers = mails.client.uid("FETCH", uids, "(UID BODY.PEEK[])")
        for answer in answers:
            if isinstance(answer, tuple) and (uid := re.search(rb"UID (\d+)", answer[0])):
                number = uid[1].decode("ascii")
                yield Mail(f"{folder}:{number}", answer[1][: LARGEST + 1], partial(_flag, mails, number))


def _flag(mails: "BaseMailBox", uid: str) -> None:
    from imap_tools.errors import ImapToolsError

    try:
        mails.flag(uid, [HANDLED], True)
    except (ImapToolsError, imaplib.IMAP4.error):  # a server that keeps no keywords
        mails.flag(uid, ["\\Seen"], True)


@contextmanager
def _explained(box: ImapBox) -> Iterator[None]:
    """What the server or the network says, for people."""
    from imap_tools.errors import ImapToolsError, MailboxFolderSelectError, MailboxLoginError

    try:
        yield
    except MailboxLoginError:
        raise NewsletterError(
            f"{box.name} refuses the login; check the user and NEWSLETTER_FEEDBACK__PASSWORD, or set [feedback] oauth"
        ) from None
    except MailboxFolderSelectError:
        raise NewsletterError(f"{box.name} has no folder {box.folder!r}; name one in the address") from None
    except ssl.SSLCertVerificationError as error:
        raise NewsletterError(f"{box.name}: its certificate is not trusted ({error.verify_message})") from None
    except (OSError, imaplib.IMAP4.error, ImapToolsError) as error:
        raise TryAgainLater(f"{box.name} can't be read now ({error}); run it again") from None


def _see(path: Path, folder: Path) -> None:
    """Mark a Maildir's mail as seen (https://cr.yp.to/proto/maildir.html)."""
    base, _, flags = path.name.partition(":2,")
    seen = folder / "cur" / f"{base}:2,{''.join(sorted({*flags, 'S'}))}"
    path.rename(seen)


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST + 1)
