"""A real mailbox server on loopback."""

import contextlib
import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.smtp.listening import free_port

DOVECOT = shutil.which("dovecot") or "/usr/sbin/dovecot"
NOBODY = 65534
"""Dovecot reads no mail as root."""


@contextlib.contextmanager
def dovecot(authority: trustme.CA | None = None) -> Iterator[tuple[str, Path]]:
    """Dovecot with one mailbox: its URL, and its Maildir; over TLS, where an `authority` vouches for it."""
    if not Path(DOVECOT).exists() or os.getuid() != 0:
        pytest.skip("Dovecot is not installed, or this is not root, who alone may start it so")
    with tempfile.TemporaryDirectory() as folder:
        place, port = Path(folder), free_port()
        place.chmod(0o755)
        mails = place / "mail"
        for made in (mails, *(mails / name for name in ("new", "cur", "tmp"))):
            made.mkdir()
            os.chown(made, NOBODY, NOBODY)
        (place / "dovecot.conf").write_text(f"""\
base_dir = {place}/run
log_path = {place}/log
protocols = imap
listen = 127.0.0.1
{_tls(place, authority) if authority else "ssl = no"}
disable_plaintext_auth = no
mail_location = maildir:{mails}
service imap-login {{
  inet_listener imap {{
    port = {0 if authority else port}
  }}
  inet_listener imaps {{
    port = {port if authority else 0}
    ssl = yes
  }}
}}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={NOBODY} gid={NOBODY} home={place}
}}
""")
        process = subprocess.Popen([DOVECOT, "-F", "-c", place / "dovecot.conf"], stderr=subprocess.DEVNULL)
        try:
            wait_for(port, process)
            host = "imaps://ada@localhost" if authority else "imap://ada@127.0.0.1"
            yield f"{host}:{port}/INBOX", mails
        finally:
            process.terminate()
            process.wait(20)


def _tls(place: Path, authority: trustme.CA) -> str:
    own = authority.issue_cert("localhost")
    own.private_key_pem.write_to_path(place / "key.pem")
    own.cert_chain_pems[0].write_to_path(place / "certificate.pem")
    return f"ssl = required\nssl_cert = <{place}/certificate.pem\nssl_key = <{place}/key.pem"


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Until somebody listens there."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        assert process.poll() is None, "dovecot ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        select.select([], [], [], 0.02)
    raise AssertionError("dovecot does not listen")
