"""The spam filter, asked on loopback: a server that speaks rspamd's HTTP, one that speaks spamd's protocol."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from newsletter.checks.rules.spam import check_spam, spam_score
from newsletter.checks.sample import sample_of
from newsletter.errors import NewsletterError
from tests.checks.mail import message
from tests.checks.servers import Talk, listening

RULES = {"R_DKIM_NA": {"score": 0.0}, "MISSING_DATE": {"score": 1.5, "description": "Message date is missing"}}


def rspamd(score: float, chunked: bool = False) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("POST /checkv2 HTTP/1.1\r\n")
        await reader.readexactly(int(re.findall(r"Content-Length: (\d+)", head)[0]))
        body = json.dumps({"score": score, "required_score": 15, "symbols": RULES}).encode()
        if chunked:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            writer.write(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        else:
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    return talk


def spamd(score: float) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = (await reader.readline()).decode()
        if not first.rstrip().endswith("SPAMC/1.5"):
            writer.write(b"SPAMD/1.0 76 Bad header line: " + first.encode())
        else:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            await reader.readexactly(int(re.findall(r"Content-length: (\d+)", head)[0]))
            report = (
                "Content analysis details:\r\n\r\n pts rule name              description\r\n"
                "---- ---------------------- --------------------\r\n"
                " 2.6 MISSING_HEADERS        Missing To: header\r\n-0.0 NO_RELAYS              Informational\r\n"
            )
            writer.write(f"SPAMD/1.1 0 EX_OK\r\nSpam: True ; {score} / 5.0\r\n\r\n{report}".encode())
        await writer.drain()

    return talk


@asynccontextmanager
async def filter_at(talk: Talk) -> AsyncIterator[str]:
    async with listening(talk) as port:
        yield f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("score", "severity"), [(3.0, "info"), (3.1, "warning"), (5.0, "warning"), (5.1, "error"), (-2.0, "info")]
)
@pytest.mark.parametrize("talk", [rspamd, spamd])
async def test_the_score_decides_the_severity(talk, score, severity):
    async with filter_at(talk(score)) as at:
        [finding] = await check_spam(sample_of(message()), at)
    assert (finding.rule, finding.severity) == ("spam", severity)
    assert f"{score:g} points" in finding.message


async def test_the_rules_are_told_the_costliest_first():
    async with filter_at(rspamd(2, chunked=True)) as at:
        found = await spam_score(message(), at)
    assert found is not None
    assert [rule.name for rule in found.rules] == ["MISSING_DATE", "R_DKIM_NA"]
    async with filter_at(spamd(2.6)) as at:
        found = await spam_score(message(), at)
    assert found is not None
    assert found.filter == "SpamAssassin"
    assert found.rules[0].description == "Missing To: header"


async def test_an_absent_filter_is_said_once_and_is_no_fault():
    [finding] = await check_spam(sample_of(message()), "127.0.0.1:1")
    assert finding.severity == "info"
    assert "no spam filter answers" in finding.message


async def test_a_filter_that_keeps_silent_is_given_up():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with filter_at(silent) as at:
        assert await spam_score(message(), at, seconds=0.05) is None


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 500 Oops\r\n\r\n<html>", b"HTTP/1.1 200 OK\r\n\r\n[]", b"SPAMD/1.1 0\r\n"]
)
async def test_nonsense_is_no_score(answer):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        await writer.drain()

    async with filter_at(talk) as at:
        assert await spam_score(message(), at) is None


@pytest.mark.parametrize("at", ["localhost", "localhost:", ":783", "localhost:99999", "localhost:spam"])
async def test_what_is_no_host_and_port_is_refused(at):
    with pytest.raises(NewsletterError, match="spamd"):
        await check_spam(sample_of(message()), at)


async def test_without_an_address_nothing_is_asked():
    assert await check_spam(sample_of(message()), "") == []
