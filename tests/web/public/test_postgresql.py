"""The public pages over a state in PostgreSQL: the walk of a reader, and a server that goes away and comes back."""

import asyncio
from pathlib import Path

import pytest

from newsletter.audience.suppression import suppressed
from newsletter.delivery.notices import keep_sending
from newsletter.smtp.relay import parse_relay
from newsletter.web.public.mails import Mails
from tests.delivery.relay_server import RelayServer, serving
from tests.postgres import PostgresServer
from tests.web.public.site import ONE_CLICK, kinds, public_site
from tests.web.public.test_signup import form_of

ZOE = "zoe@example.org"


@pytest.mark.parametrize("source", ["database", "subscribers.csv"])
async def test_a_reader_s_walk_goes_on_when_the_server_is_back(
    tmp_path: Path, postgres: PostgresServer, source: str
) -> None:
    place = postgres.database()
    name = place.rpartition("/")[2]
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    said: list[str] = []
    looked, owed = asyncio.Event(), asyncio.Event()

    def on_trouble(what: str) -> None:
        said.append(what)
        looked.set()

    async with public_site(tmp_path, source=source, state=place) as site, serving(RelayServer()) as relay:
        unsubscribe, preferences = (f"/{kind[0]}/{site.token(kind, ZOE)}" for kind in ("unsubscribe", "preferences"))
        await site.post("/subscribe", {"email": ZOE, "name": "Zoë", "stamp": await form_of(site)})
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        postgres.execute(cut)
        for path in (unsubscribe, preferences):
            answer = await site.get(path)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
        assert (await site.post(unsubscribe, ONE_CLICK)).status == 503, "a mail program comes again"
        assert "newsletter_requests_total" in (await site.get("/metrics")).text
        assert (await site.get("/health")).status == 200
        relays, write = [parse_relay(relay.url)], Mails(site.public).envelope
        sending = asyncio.ensure_future(
            keep_sending(site.public.engine, relays, write, owed, on_trouble, lambda: site.now[0])
        )
        await looked.wait()
        assert "away or busy" in said[0]
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        relay.on_message = lambda _: looked.set()
        looked.clear()
        owed.set()
        await looked.wait()
        assert relay.addresses == {ZOE}, "the mail that was owed"
        sending.cancel()
        assert (await site.post(f"/c/{site.token('confirm', ZOE, '')}")).status == 200
        postgres.execute(cut)  # a restart: every connection that was open is gone
        assert (await site.post(preferences, {"name": "Zoë M."})).status == 303
        person = site.public.roster.find(ZOE)
        assert person is not None
        assert person.name == "Zoë M."
        assert (await site.post(unsubscribe, ONE_CLICK)).status == 200
        assert suppressed(site.public.engine, ZOE) is not None
        assert (await site.post(unsubscribe, {"undo": "1"})).headers["location"].endswith("back=1")
        assert suppressed(site.public.engine, ZOE) is None
        assert kinds(site, ZOE) == ["asked", "confirmed", "changed", "left", "returned"]
        assert "newsletter_unconfirmed 0.0" in (await site.get("/metrics")).text
        assert (await site.get("/issues/")).status == 200
