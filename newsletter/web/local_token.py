"""The secret of the local tools' addresses: where it is kept, and how a browser gets it.

It is made once, in the state folder, so that open pages and bookmarks go on when a command is started again; deleting
the file locks everybody out. The browser is given a file that leads to the address, not the address itself, which every
user of the machine could read in the list of processes.
"""

import contextlib
import html
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from newsletter.errors import NewsletterError
from newsletter.state.private import OTHERS, state_folder, write_private
from newsletter.web.local import PARAMETER

FILE_NAME = "page-token"
_DOOR = """<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url={url}"><title>newsletter</title><a href="{url}">Go on</a>
"""


def load_token(folder: Path) -> str:
    """The secret kept in the state folder, made at first use with mode 0600. Raises NewsletterError."""
    path = folder / FILE_NAME
    try:
        state_folder(folder)
        with contextlib.suppress(FileExistsError):
            _make(path)
        if path.stat().st_mode & OTHERS:
            raise NewsletterError("other users can read the secret of the local pages; delete this file", path=path)
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        raise NewsletterError(f"the secret of the local pages can't be kept ({reason}); make the folder writable",
                              path=path) from None  # fmt: skip
    if not token:
        raise NewsletterError("the secret of the local pages is empty; delete this file", path=path)
    return token


def _make(path: Path) -> None:
    """Whole or not at all; whoever comes second keeps the first one's."""
    if path.exists():
        return
    draft = path.with_name(f".{FILE_NAME}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        write_private(draft, secrets.token_urlsafe(24) + "\n")
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def with_token(url: str, token: str) -> str:
    """The address that lets its owner in."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode({PARAMETER: token})}"


@contextlib.contextmanager
def door(folder: Path, url: str) -> Iterator[Path]:
    """A file of the owner's that leads a browser to `url`; gone afterwards."""
    path = state_folder(folder) / f"open-{secrets.token_hex(4)}.html"
    write_private(path, _DOOR.format(url=html.escape(url)))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def open_browser(path: Path) -> None:
    """Open the file in the browser, from a thread of its own: some of its starters wait for the browser to end."""
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(path.absolute().as_uri(),), daemon=True).start()
