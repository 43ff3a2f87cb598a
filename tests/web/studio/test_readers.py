"""The studio's place for people, over a file and over the database."""

import time
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from newsletter.audience.events import record
from newsletter.audience.roster import open_roster, put
from newsletter.audience.subscriber import Subscriber
from newsletter.audience.suppression import suppress
from newsletter.config.settings import Config, load_config
from newsletter.state import open_state
from newsletter.web.pages import fragment
from newsletter.web.studio.readers import MONTHS, overview


@pytest.fixture(params=["subscribers.csv", "database"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    (tmp_path / "newsletter.toml").write_text(f'[subscribers]\nsource = "{request.param}"\n')
    return load_config(tmp_path / "newsletter.toml")


def test_nobody_is_shown_as_nobody(config: Config) -> None:
    found = overview(config)
    assert found["plot"] is None
    assert "Nobody is on the list yet" in fragment("studio/readers.html", {**found, "token": ""})


def test_who_is_there_who_came_and_who_left_over_which_issue(config: Config) -> None:
    month = time.strftime("%Y-%m")
    people = [
        Subscriber("old@example.org", "", {"joined": "2001-01-01"}),
        Subscriber("new@example.org", "", {"joined": f"{month}-01"}),
        Subscriber("gone@example.org", "", {"joined": f"{month}-01"}),
        Subscriber("away@example.org", "", {"paused_until": "2999-01-01"}),
    ]
    put(open_roster(config), people)
    engine = open_state(config)
    suppress(engine, "gone@example.org", "unsubscribe", "page", time.time(), "hello")
    with engine.begin() as connection:
        record(connection, "gone@example.org", "left", time.time(), "hello", form="page")
        for reason in ("other", "often"):
            record(connection, "gone@example.org", "left", time.time(), "hello", form="reason", reason=reason)
    engine.dispose()
    found = overview(config)
    assert dict(found["counts"]) == {"active": 2, "suppressed": 1, "left out": 1, "unconfirmed": 0}
    assert len(found["months"]) == MONTHS
    assert [(one.total, one.left) for one in (found["months"][0], found["months"][-1])] == [(1, 0), (2, 1)]
    assert found["over"] == [("hello", 1, "1 too many mails")]
    (latest,) = found["latest"]
    assert (latest["who"], latest["kind"], latest["why"]) == ("gone@example.org", "left", "too many mails")
    html = fragment("studio/readers.html", {**found, "token": ""})
    assert "<polyline" in html
    assert 'style="' not in html


@pytest.mark.asyncio(loop_scope="session")
async def test_the_page_is_readable(config: Config, browser: Browser) -> None:
    put(
        open_roster(config),
        [Subscriber(f"p{n}@example.org", "", {"joined": time.strftime("%Y-%m-01")}) for n in range(9)],
    )
    page = await browser.new_page()
    await page.set_content(fragment("studio/readers.html", {**overview(config), "token": ""}))
    await expect(page.get_by_role("img", name="Growth")).to_be_visible()
    await page.close()
