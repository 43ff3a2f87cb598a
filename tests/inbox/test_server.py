"""The SMTP server, spoken to by real clients."""

import asyncio
import itertools
import random
import smtplib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiosmtplib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import NewsletterError
from newsletter.inbox.faults import Faults
from newsletter.inbox.incoming_body import IncomingBody
from newsletter.inbox.server import InboxServer
from newsletter.inbox.store import Store

MESSAGE = b"From: Ada <ada@example.org>\r\nTo: ben@example.org\r\nSubject: Oaks\r\n\r\nWho planted them?\r\n"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    with Store(tmp_path / "inbox") as store:
        yield store


def test_a_host_that_others_can_reach_is_refused_unless_asked_for(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for host in ("0.0.0.0", "192.0.2.1", "mail.example.org"):
            with pytest.raises(NewsletterError, match="other machines"):
                InboxServer(store, host)
        InboxServer(store, "0.0.0.0", public=True)
        assert InboxServer(store, "localhost").host == "127.0.0.1"


async def test_a_port_in_use_is_said_in_one_line(store: Store) -> None:
    async with InboxServer(store) as server:
        with pytest.raises(NewsletterError, match=f"{server.port}.*another port"):
            async with InboxServer(store, port=server.port):
                pass


async def send(server: InboxServer, message: bytes = MESSAGE, rcpt: str = "ben@example.org", **options: Any) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=server.port, **options) as client:
        await client.sendmail("ada@example.org", rcpt, message)


async def test_what_is_sent_is_kept_byte_for_byte_with_its_envelope(store: Store) -> None:
    body = MESSAGE + b".leading dot\r\n..two\r\nends with a dot.\r\n.\r\nmore\r\n\xff\xfe raw\r\n"
    async with InboxServer(store) as server:
        await send(server, body)
        assert (server.accepted, server.refused, server.largest) == (1, 0, len(body))
    page = store.search()
    assert page.total == 1
    row = page.rows[0]
    assert (row.mail_from, row.rcpt_tos, row.subject) == ("ada@example.org", ("ben@example.org",), "Oaks")
    assert store.raw(row.id) == body


async def test_the_standard_library_can_send_to_it_and_log_in(store: Store) -> None:
    def talk(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.login("anybody", "any password")
            assert (
                client.sendmail("", ["a@example.org", "b@example.org"], MESSAGE, rcpt_options=["NOTIFY=FAILURE"]) == {}
            )
            client.sendmail("ada@example.org", ["c@example.org"], b"")

    async with InboxServer(store) as server:
        await asyncio.to_thread(talk, server.port)
        assert server.accepted == 2
    assert [row.rcpt_tos for row in store.search().rows] == [("c@example.org",), ("a@example.org", "b@example.org")]
    assert store.search().rows[1].mail_from == ""


async def test_a_whole_conversation_in_one_write_is_understood(store: Store) -> None:
    async with InboxServer(store) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        one = (
            b"MAIL FROM:<ada@example.org> RET=HDRS ENVID=x\r\nRCPT TO:<b@example.org>\r\nDATA\r\n" + MESSAGE + b".\r\n"
        )
        writer.write(b"EHLO here\r\n" + one * 3 + b"QUIT\r\n")
        said = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    assert "PIPELINING" in said
    assert said.count("250 2.0.0 OK kept") == 3
    assert store.search().total == 3


async def test_a_message_over_the_limit_is_refused_and_the_next_is_kept(store: Store) -> None:
    async with InboxServer(store, max_size=100_000) as server:
        for body in (b"x" * 200_000, b"line.\r\n" * 30_000):
            async with aiosmtplib.SMTP(hostname="127.0.0.1", port=server.port) as client:
                await client.mail("ada@example.org")  # says no SIZE, so it is found out at the end
                await client.rcpt("b@example.org")
                with pytest.raises(aiosmtplib.SMTPDataError) as refused:
                    await client.data(MESSAGE + body)
            assert refused.value.code == 552
        with pytest.raises(aiosmtplib.SMTPSenderRefused):
            await send(server, MESSAGE + b"x" * 200_000)
        await send(server, MESSAGE + b"x" * 90_000)
        assert server.accepted == 1
        assert server.refused >= 2


async def test_long_lines_and_lone_line_ends_arrive_as_they_were(store: Store) -> None:
    body = MESSAGE + b"y" * 200_000 + b"\r\nlone \n.\n and \r.\r here\r\n"
    async with InboxServer(store) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"EHLO here\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n" + body)
        await writer.drain()
        writer.write(b".\r\nQUIT\r\n")
        assert b"250 2.0.0 OK kept" in await reader.read()
        writer.close()
        await writer.wait_closed()
    assert store.raw(1) == body


FAULTS = [
    ("rcpt=550:*@full.example.org", "x@full.example.org", 550),
    ("rcpt=451 4.7.1 come back:100%", "x@example.org", 451),
    ("mail=550:ada@*", "x@example.org", 550),
    ("data=554:1", "x@example.org", 554),
    ("dot=452 disk full", "x@example.org", 452),
    ("connect=421", "x@example.org", 421),
]


@pytest.mark.parametrize(("spec", "rcpt", "code"), FAULTS)
async def test_a_refusal_on_order_reaches_the_client(store: Store, spec: str, rcpt: str, code: int) -> None:
    async with InboxServer(store, faults=Faults.parse([spec])) as server:
        with pytest.raises(aiosmtplib.SMTPException) as refused:
            await send(server, rcpt=rcpt)
        error = refused.value
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            error = error.recipients[0]
        assert getattr(error, "code", None) == code
        assert (server.accepted, server.refused) == (0, 1)
        server.faults.replace([])
        await send(server, rcpt=rcpt)
        assert server.accepted == 1


async def test_a_login_is_refused_by_its_name(store: Store) -> None:
    async with InboxServer(store, faults=Faults.parse(["auth=535:mallory"])) as server:
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await send(server, username="mallory", password="x")
        await send(server, username="ada", password="x")
        assert server.accepted == 1


async def test_greylisting_refuses_each_recipient_once(store: Store) -> None:
    async with InboxServer(store, faults=Faults.parse(["rcpt=451:first"])) as server:
        for rcpt in ("a@example.org", "b@example.org"):
            with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
                await send(server, rcpt=rcpt)
            await send(server, rcpt=rcpt)
        assert server.accepted == 2


@pytest.mark.parametrize(("spec", "kept"), [("data=drop", 0), ("dot=drop", 1), ("rcpt=drop", 0), ("connect=drop", 0)])
async def test_a_drop_cuts_the_connection_and_keeps_only_what_was_complete(store: Store, spec: str, kept: int) -> None:
    async with InboxServer(store, faults=Faults.parse([spec])) as server:
        with pytest.raises((aiosmtplib.SMTPException, ConnectionError)):
            await send(server)
        assert server.accepted == kept
    assert store.search().total == kept


async def test_a_delay_waits_before_the_reply(store: Store) -> None:
    async with InboxServer(store, faults=Faults.parse(["dot=80ms"])) as server:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await send(server)
        assert loop.time() - began >= 0.08


async def test_chance_is_seeded(store: Store) -> None:
    seen = []
    for _ in range(2):
        faults = Faults.parse(["rcpt=451:30%"], random.Random(7))
        seen.append([bool(faults.at("rcpt", ["a@example.org"])) for _ in range(200)])
    assert seen[0] == seen[1]
    assert 30 < sum(seen[0]) < 90


@pytest.mark.parametrize(
    "spec",
    ["", "rcpt", "rcpt=", "rcpt=250", "rcpt=nonsense", "nose=451", "rcpt=451:2.5", "rcpt=451:120%", "dot=2h",
     "dot=99999s", "connect=421:*@example.org", "connect=421:first", "rcpt=451 caf\u00e9", "rcpt=451 a\r\nb"],
)  # fmt: skip
def test_a_fault_that_is_none_is_refused_with_what_would_be(spec: str) -> None:
    with pytest.raises(NewsletterError, match="write"):
        Faults.parse([spec])


async def test_unfinished_messages_are_bounded_in_all_and_what_they_held_is_given_back(store: Store) -> None:
    part = b"x" * 39_997 + b".\r\n"
    async with InboxServer(store, max_unfinished=100_000) as server:
        first, second = [await _unfinished(server, part) for _ in range(2)]
        await _until(lambda: server.unfinished == 80_000)
        third = await _unfinished(server, part + b"\r\n.\r\n")
        assert (await third.reader.readline()).startswith(b"452 4.3.1")
        for one in (first, second):
            one.writer.write(b"\r\n.\r\n")
            assert (await one.reader.readline()).startswith(b"250")
        assert server.unfinished == 0
        cut = await _unfinished(server, part)
        await _until(lambda: server.unfinished == 40_000)
        cut.writer.close()
        await _until(lambda: server.unfinished == 0)
        for one in (first, second, third):
            one.writer.close()
    assert store.counts()["kept"] == 2


async def test_more_connections_than_can_be_held_are_turned_away(store: Store) -> None:
    async with InboxServer(store, max_connections=2) as server:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        greetings = [await reader.readline() for reader, _ in held]
        assert [greeting[:3] for greeting in greetings] == [b"220", b"220", b"421"]
        for _, writer in held:
            writer.close()


async def _until(holds: Callable[[], bool]) -> None:
    """Let the server's tasks go on until something holds."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 (what is counted has no event)
            await asyncio.sleep(0)


@dataclass
class _Open:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def _unfinished(server: InboxServer, body: bytes) -> _Open:
    """A connection in the middle of a message."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"EHLO a\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
    while not (await reader.readline()).startswith(b"354"):
        pass
    writer.write(body)
    await writer.drain()
    return _Open(reader, writer)


async def test_every_accepted_message_is_in_the_list_at_once_and_few_wait_for_the_index(tmp_path: Path) -> None:
    with Store(tmp_path / "many", limit=10_000) as store:
        async with InboxServer(store, most_waiting=20) as server:

            async def feed(count: int) -> None:
                async with aiosmtplib.SMTP(hostname="127.0.0.1", port=server.port) as client:
                    for _ in range(count):
                        await client.sendmail("ada@example.org", "ben@example.org", MESSAGE)
                        accepted = server.accepted
                        assert store.waiting <= 20 + 5
                        found = await asyncio.to_thread(store.search, "oaks", limit=1)
                        assert found.total >= accepted

            await asyncio.gather(*(feed(20) for _ in range(5)))
            assert store.search().total == 100


async def test_addresses_are_read_as_before_whether_they_are_ordinary_or_not(store: Store) -> None:
    async with InboxServer(store) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await reader.readline()
        writer.write(b"EHLO a\r\n")
        while not (await reader.readline()).startswith(b"250 "):
            pass
        for given, code in (
            (b"<ada@example.org>", b"250"), (b"<ada.b+c_d=e-f@sub-1.example.org> SIZE=100 BODY=8BITMIME", b"250"),
            (b"<>", b"250"), (b'<"a b"@example.org>', b"250"), ("<ädä@example.org> SMTPUTF8".encode(), b"250"),
            (b"<ada@example.org> NONSENSE=1", b"555"), (b"<a@b> SIZE=99999999999", b"552"),
        ):  # fmt: skip
            writer.write(b"MAIL FROM:" + given + b"\r\n")
            assert (await reader.readline())[:3] == code, given
            writer.write(b"RSET\r\n")
            await reader.readline()
        writer.close()


@given(
    body=st.lists(st.sampled_from([b".", b"\r\n", b"..", b"a", b"\n", b"\r", b".\n", b"\r\n..", b"\xff"]), max_size=30),
    cuts=st.lists(st.integers(0, 80), max_size=12),
)
def test_a_body_is_the_same_however_it_comes_in_pieces(body: list[bytes], cuts: list[int]) -> None:
    """What is sent arrives: lines that begin with a dot are stuffed, and `CR LF . CR LF` alone ends it."""
    message = b"".join(body) + b"\r\n"
    lines = message.split(b"\r\n")
    sent = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b".\r\nQUIT\r\n"
    inbox = SimpleNamespace(unfinished=0, max_size=1_000, max_unfinished=1_000)
    taking, buffer, found = IncomingBody(inbox), bytearray(), None  # type: ignore[arg-type]
    ends = sorted({*(cut for cut in cuts if cut < len(sent)), len(sent)})
    for start, end in itertools.pairwise([0, *ends]):
        buffer += sent[start:end]
        if found is None:
            found = taking.take(buffer)
    assert (found, bytes(buffer), inbox.unfinished) == (message, b"QUIT\r\n", 0)


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        ([b"AUTH PLAIN AGFkYQB4"], [235]),
        ([b"AUTH PLAIN", b"AGFkYQB4"], [334, 235]),
        ([b"AUTH LOGIN", b"YWRh", b"eA=="], [334, 334, 235]),
        ([b"AUTH LOGIN YWRh", b"eA=="], [334, 235]),
        ([b"AUTH PLAIN *nonsense*"], [501]),
        ([b"AUTH PLAIN", b"*"], [334, 501]),
        ([b"AUTH SCRAM-SHA-256"], [504]),
        ([b"RCPT TO:<b@example.org>"], [503]),
        ([b"DATA"], [503]),
        ([b"MAIL FROM:<a@example.org>", b"MAIL FROM:<a@example.org>"], [250, 503]),
        ([b"MAIL FROM:<a@example.org>", b"RCPT TO:<>", b"DATA"], [250, 553, 503]),
        ([b"MAIL FROM a@example.org", b"NOOP", b"RSET", b"VRFY x", b"HELP"], [501, 250, 250, 252, 250]),
        ([b"NONSENSE \xff", b"noop"], [500, 250]),
        ([b"NOOP " + b"x" * 5_000, b"NOOP"], [500, 250]),
    ],
)
async def test_each_command_gets_its_answer(store: Store, lines: list[bytes], codes: list[int]) -> None:
    async with InboxServer(store) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"EHLO here\r\n" + b"\r\n".join(lines) + b"\r\nQUIT\r\n")
        said = (await reader.read()).split(b"\r\n")
        writer.close()
    answers = [int(line[:3]) for line in said if line[3:4] == b" "]
    assert answers == [220, 250, *codes, 221]
