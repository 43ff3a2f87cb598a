"""The message to the letter: what a send of ours puts on the wire, octet by octet, as a server receives it."""

import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import parseaddr
from pathlib import Path

import pytest

from newsletter.audience.subscriber import Subscriber
from newsletter.compose.message.writer import MessageWriter
from tests.compose.writing import SECRET
from tests.compose.writing import issue as an_issue

from .relay_server import RelayServer, Talk, serving
from .sending import send

NAMES = (
    "Ada Moreau",
    "Léa “Ä” Ü",
    "Αλεξάνδρα",
    "Ольга",
    "שירה",
    "فاطمة",
    "อรุณ",
    "李小龍",
    "さくら",
    "😀 Émile",
    'O"Neil, Pat',
    "",
)
PEOPLE = [Subscriber(f"reader{number}@example.net", name) for number, name in enumerate(NAMES)]
IDN = Subscriber("lea@xn--mnchen-3ya.example", "Léa")
BEYOND = Subscriber("用户@example.com", "用户")
ISSUE = an_issue(
    subject=("Ölmühlen, und was sie mit langen Betreffzeilen zu tun haben, die gefaltet werden: " + "лес " * 12,),
    mail_from="bounces@example.org", verp=True, unsubscribe_url="https://example.org/news",
    unsubscribe_mailto="leave@example.org",
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "newsletter.db"


async def sent(path: Path, server: RelayServer, people: list[Subscriber]) -> dict[str, bytes]:
    """Each recipient's message as the server got it, dots unstuffed."""
    async with serving(server):
        await send(path, server.url, people, writer=MessageWriter(ISSUE, SECRET), connections=2)
        await server.quiet()
    return dict(server.accepted)


def fields(octets: bytes, name: str) -> list[str]:
    head = octets.partition(b"\r\n\r\n")[0].decode("utf-8") + "\r\n"
    return re.findall(rf"^{name}: ((?:.*\r\n)(?:[ \t].*\r\n)*)", head, re.MULTILINE | re.IGNORECASE)


async def test_lines_end_with_crlf_and_are_short_and_one_of_each_field_stands_there(path: Path) -> None:
    got = await sent(path, RelayServer(), PEOPLE)
    assert set(got) == {one.email for one in PEOPLE}
    for octets in got.values():
        head, _, body = octets.partition(b"\r\n\r\n")
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", octets)
        assert max(map(len, octets.split(b"\r\n"))) <= 998
        assert max(map(len, body.split(b"\r\n"))) <= 76
        assert head.isascii()
        assert body.isascii()
        for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "List-Unsubscribe", "List-Id"):
            assert len(fields(octets, name)) == 1, name
        for name in ("Auto-Submitted", "Bcc", "Cc", "Sender", "Return-Path"):
            assert fields(octets, name) == []


async def test_names_of_many_scripts_arrive_and_subjects_are_folded_within_characters_never(path: Path) -> None:
    got = await sent(path, RelayServer(), PEOPLE)
    for one in PEOPLE:
        message = message_from_bytes(got[one.email])
        shown, address = parseaddr(message["To"].replace("\r\n", ""))
        assert (str(make_header(decode_header(shown))), address) == (one.name, one.email)
        [subject] = fields(got[one.email], "Subject")
        assert max(map(len, f"Subject: {subject}".split("\r\n"))) <= 78
        for word in re.findall(r"=\?utf-8\?[bq]\?[^?]*\?=", subject):
            assert len(word) <= 75
            [(octets, charset)] = decode_header(word)
            assert isinstance(octets, bytes)
            octets.decode(charset or "ascii")  # whole characters


async def test_list_fields_are_folded_between_addresses_and_never_encoded(path: Path) -> None:
    got = await sent(path, RelayServer(), PEOPLE[:1])
    [octets] = got.values()
    [leave] = fields(octets, "List-Unsubscribe")
    assert re.fullmatch(
        r"<https://example\.org/news/u/[\w-]+>,\r\n <mailto:leave@example\.org\?subject=unsubscribe%20[\w-]+>\r\n",
        leave,
    )
    assert fields(octets, "List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click\r\n"]
    for name in ("List-Id", "Feedback-ID", "Message-ID", "X-Newsletter-Ref"):
        assert "=?" not in fields(octets, name)[0]
        assert "\r\n " not in fields(octets, name)[0]


async def test_each_message_has_a_return_path_that_names_it_in_any_case_within_64_octets(path: Path) -> None:
    server = RelayServer()
    got = await sent(path, server, PEOPLE)
    paths = [match[1] for command in server.commands if (match := re.match(r"MAIL FROM:<([^>]*)>", command))]
    assert len(set(paths)) == len(PEOPLE)
    references = {fields(octets, "X-Newsletter-Ref")[0].strip() for octets in got.values()}
    for one in paths:
        local, _, domain = one.partition("@")
        assert domain == "example.org"
        assert len(local) <= 64
        base, _, reference = local.partition("+")
        assert base == "bounces"
        assert re.fullmatch("[a-z2-7]+", reference)  # base32: the same in capitals
        assert reference in references


async def test_a_second_try_has_the_same_octets_but_for_the_date(path: Path) -> None:
    server, refused = RelayServer(), list[str]()

    def busy_once(_talk: Talk, command: str, _argument: str) -> str | None:
        if command != "." or refused:
            return None
        refused.append(command)
        return "451 4.3.0 come back"

    first = await sent(path, RelayServer(), PEOPLE[:1])
    server.script = busy_once
    again = await sent(path.with_name("other.db"), server, PEOPLE[:1])
    assert [command for command in server.commands if command.startswith("DATA")] == ["DATA"] * 2
    [one], [other] = first.values(), again.values()
    different = [
        line.partition(b":")[0]
        for line, now in zip(one.split(b"\r\n"), other.split(b"\r\n"), strict=True)
        if line != now
    ]
    assert set(different) <= {b"Date"}


async def test_an_international_domain_is_punycode_and_a_local_part_beyond_ascii_needs_the_extension(
    path: Path,
) -> None:
    server = RelayServer()
    got = await sent(path, server, [IDN, BEYOND])
    assert set(got) == {IDN.email, BEYOND.email}
    assert any(re.match(r"MAIL FROM:<[^>]*>.* SMTPUTF8", command) for command in server.commands)
    plain = RelayServer(extensions=("PIPELINING",))
    assert set(await sent(path.with_name("other.db"), plain, [IDN, BEYOND])) == {IDN.email}


async def test_delivery_reports_are_asked_for_where_they_are_offered(path: Path) -> None:
    server = RelayServer(extensions=("PIPELINING", "DSN"))
    await sent(path, server, PEOPLE[:1])
    mail = next(command for command in server.commands if command.startswith("MAIL"))
    rcpt = next(command for command in server.commands if command.startswith("RCPT"))
    assert re.search(r" RET=HDRS ENVID=[0-9a-f]+\Z", mail)
    assert rcpt == "RCPT TO:<reader0@example.net> NOTIFY=FAILURE"
