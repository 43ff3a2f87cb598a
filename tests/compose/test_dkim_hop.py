"""Signatures after a hop through a real Postfix, judged by Debian's opendkim."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from newsletter.audience.subscriber import Subscriber
from newsletter.compose.issue import Slot
from newsletter.compose.message.dkim_key import SigningKey, generate_key
from newsletter.compose.message.writer import MessageWriter
from newsletter.delivery.direct import send_direct
from newsletter.smtp.relay import Relay
from tests.feedback.dovecot import wait_for
from tests.smtp.listening import free_port, listen

from .writing import SECRET
from .writing import issue as an_issue

OPENDKIM = shutil.which("opendkim") or "/usr/sbin/opendkim"
MASTER = "/usr/lib/postfix/sbin/master"
SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
MAIN = """\
compatibility_level = 3.6
queue_directory = {place}/queue
data_directory = {place}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 127.0.0.0/8
myhostname = relay.example.net
relayhost = [127.0.0.1]:{onward}
maillog_file = /dev/stdout
disable_dns_lookups = yes
smtpd_relay_restrictions = permit_mynetworks, reject
alias_maps =
"""


class Reader:
    """Where Postfix hands the mail on to."""

    def __init__(self) -> None:
        self.mails: Queue[bytes] = Queue()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.put(envelope.content)
        return "250 OK"


@contextlib.contextmanager
def postfix(onward: int) -> Iterator[int]:
    """A Postfix of its own on loopback that hands everything on; its port."""
    with tempfile.TemporaryDirectory() as folder:
        place, port = Path(folder), free_port()
        place.chmod(0o755)
        for name in ("conf", "queue", "data"):
            (place / name).mkdir()
        shutil.chown(place / "data", "postfix")
        (place / "conf" / "main.cf").write_text(MAIN.format(place=place, onward=onward))
        (place / "conf" / "master.cf").write_text(SERVICES.format(port=port))
        command = ["postfix", "-c", str(place / "conf")]
        process = subprocess.Popen(
            [*command, "start-fg"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            wait_for(port, process)
            yield port
        finally:
            subprocess.run([*command, "abort"], check=False, capture_output=True)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def judged(message: bytes, keys: list[SigningKey], folder: Path) -> str:
    """What opendkim says of a message, with our records in place of DNS."""
    records = "".join(f"{key.name} {key.record}\n" for key in keys)
    (folder / "records").write_text(records)
    (folder / "opendkim.conf").write_text(f"Mode v\nTestDNSData file:{folder}/records\nSyslog no\nUserID root\n")
    (folder / "mail").write_bytes(message)
    run = subprocess.run(
        [OPENDKIM, "-x", folder / "opendkim.conf", "-t", folder / "mail", "-v", "-v"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return run.stdout + run.stderr


@pytest.mark.skipif(
    not (Path(OPENDKIM).exists() and Path(MASTER).exists() and os.getuid() == 0),
    reason="needs opendkim, Postfix, and root, who alone may start them so",
)
async def test_opendkim_verifies_what_a_send_signed_after_a_hop_through_postfix(tmp_path: Path) -> None:
    keys = [
        generate_key(tmp_path / "rsa.pem", "example.org", "newsletter", "rsa"),
        generate_key(tmp_path / "ed.pem", "example.org", "ed", "ed25519"),
    ]
    issue = an_issue(
        subject=(
            "Ölmühlen und   andere “lange” Wörter, bis die Zeile gefaltet werden muss, ",
            Slot("{{ subscriber.name }}", "t.html", 1),
        ),
        html=("<p>.\n.. dots\n\tand  blanks </p><p>", Slot("{{ subscriber.name }}", "t.html", 1), "</p>" + "ö" * 500),
    )
    people = [Subscriber("lea@example.net", "Léa  “Ä” Ü"), Subscriber("b@example.com", "")]
    sent = [MessageWriter(issue, SECRET, keys=keys).envelope(one, datetime.now(UTC)) for one in people]
    reader = Reader()
    onward = listen(reader)
    try:
        with postfix(onward.port) as port:
            replies = await send_direct(sent, [Relay("127.0.0.1", port)])
            assert {reply.code for _, reply in replies} == {250}
            arrived = [reader.mails.get(timeout=60) for _ in people]
    finally:
        onward.stop()
    for message in arrived:
        assert message.startswith(b"Received: ")
        said = judged(message, keys, tmp_path)
        assert "verification (s=newsletter, d=example.org, 2048-bit key" in said, said
        assert "failed" not in said, said
    broken = judged(arrived[0].replace(b"example.org>", b"example.net>", 1), keys, tmp_path)
    assert "failed" in broken, broken
