"""Messages that are sent at once and recorded nowhere."""

import pytest

from newsletter.delivery.direct import send_direct
from newsletter.errors import NewsletterError
from newsletter.smtp.relay import parse_relay
from tests.delivery.relay_server import RelayServer, Talk, serving
from tests.delivery.sending import SHORT, PlainWriter, people


async def test_direct_messages_are_answered_one_by_one() -> None:
    def script(_talk: Talk, command: str, argument: str) -> str | None:
        return "550 5.1.1 no such user" if command == "RCPT" and argument.startswith("reader1@") else None

    envelopes = [PlainWriter().envelope(person) for person in people(3)]
    async with serving(RelayServer(script=script)) as server:
        replies = await send_direct(envelopes, [parse_relay(server.url)], timeouts=SHORT)
    assert [reply.code for _, reply in replies] == [250, 550, 250]
    assert server.addresses == {"reader0@example.org", "reader2@example.org"}


async def test_direct_messages_without_a_relay_are_an_error() -> None:
    with pytest.raises(NewsletterError, match="connection refused"):
        await send_direct([PlainWriter().envelope(people(1)[0])], [parse_relay("smtp://127.0.0.1:9")], timeouts=SHORT)
