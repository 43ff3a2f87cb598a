"""A hundred thousand messages of random issues to random people, read by a parser that is not ours (`make soak`)."""

import random
import unicodedata
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr

import pytest

from newsletter.audience.subscriber import Subscriber
from newsletter.compose.issue import Issue, Piece
from newsletter.compose.message import headers
from newsletter.compose.message.quoted_printable import normal
from newsletter.compose.message.writer import MessageWriter
from tests.compose.writing import SECRET, issue

from .test_message import FIELDS, HOSTILE, assert_fit_for_the_wire, slot

MESSAGES, READERS = 100_000, 10
SCRIPTS = (
    (0x20, 0x7E), (0xA0, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F),
    (0x1100, 0x11FF), (0x2000, 0x206F), (0x3040, 0x30FF), (0x4E00, 0x4FFF), (0xAC00, 0xAD00), (0xD800, 0xD810),
    (0x1F300, 0x1F6FF), (0xE000, 0xE010), (0x0, 0x1F), (0x1D400, 0x1D7FF),
)  # fmt: skip
"""Ranges of letters, controls and what is neither, from which words are made."""
LOCALS = ("ada", "ada+news", "a.b.c", "x" * 64, "MiXeD", "_", "0", "ünïcode", "用户")
DOMAINS = ("example.org", "example.net", "xn--mnchen-3ya.example", "a.b.c.d.example.com", "x" * 60 + ".example.org")


def text(chance: random.Random, longest: int) -> str:
    """Words of one script or several, now and then hostile ones."""
    if chance.random() < 0.1:
        return chance.choice(HOSTILE)
    start, end = chance.choice(SCRIPTS)
    letters = [chr(chance.randint(start, end)) for _ in range(chance.randint(0, longest))]
    for at in range(0, len(letters), 7):
        letters[at] = chance.choice(" \t\n.=-é😀\u2028 ")
    return "".join(letters)


def fixed(chance: random.Random, longest: int) -> str:
    """Text as composing lets into an issue: without lone surrogates."""
    return text(chance, longest).encode("utf-8", "replace").decode()


def an_issue(chance: random.Random, number: int) -> tuple[Issue, tuple[str, str, str]]:
    """A random issue whose subject, text and HTML hold a name and a city, and the fixed texts around them."""
    around = fixed(chance, 90), fixed(chance, 400), fixed(chance, 900)
    name, city = slot("{{ subscriber.name }}"), slot("{{ subscriber.city }}")
    pieces: list[tuple[Piece, ...]] = [(around[0], name), (around[1], city, around[1]), (around[2], city, name)]
    made = issue(
        id=f"issue-{number}", subject=pieces[0], text=pieces[1], html=pieces[2],
        unsubscribe_url=chance.choice(("https://example.org/news", "")),
        unsubscribe_mailto="u@example.org", mail_from="bounces@example.org", verp=chance.random() < 0.5,
    )  # fmt: skip
    return made, around


def words(field: str) -> str:
    """A field's value as the standard library decodes it."""
    return str(make_header(decode_header(field.replace("\r\n", ""))))


def body(part: Message) -> str:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode("utf-8").replace("\r\n", "\n")


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_said_to_whomever_arrives_as_it_was_said(seed: int) -> None:
    chance = random.Random(seed)
    for number in range(MESSAGES // READERS // 4):
        made, around = an_issue(chance, number)
        writer = MessageWriter(made, SECRET)
        date = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randint(0, 10**8))
        for _ in range(READERS):
            name, city = text(chance, 60), text(chance, 60)
            who = Subscriber(f"{chance.choice(LOCALS)}@{chance.choice(DOMAINS)}", name, {"city": city})
            envelope = writer.envelope(who, date)
            octets = envelope.message
            assert_fit_for_the_wire(octets)
            assert len(envelope.mail_from.partition("@")[0].encode()) <= 64
            assert writer.envelope(who, date).message == octets
            message = message_from_bytes(octets)
            leave = bool(made.unsubscribe_url)
            assert [key for key, _ in message.items() if leave or key != "List-Unsubscribe-Post"] == [
                field for field in FIELDS if leave or field != "List-Unsubscribe-Post"
            ]
            assert not message.defects
            assert words(message["Subject"]) == headers.clean(normal(around[0]) + normal(name))
            plain, html = (body(part) for part in message.get_payload())  # type: ignore[arg-type]
            assert plain == "".join(map(normal, (around[1], city, around[1])))
            escaped = writer.decoded(who).html
            assert html == escaped
            assert html.startswith(normal(around[2]))
            if who.email.isascii():
                shown, address = parseaddr(message["To"].replace("\r\n", ""))
                assert address == who.email
                assert words(shown) == headers.clean(name).strip()
            assert not any(unicodedata.category(char) == "Cs" for char in plain + html)
