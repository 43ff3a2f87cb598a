"""Who reads where, what is wrong with the list, and how the last issues fared."""

import json
import time
from pathlib import Path

import pytest

from newsletter.audience.suppression import suppress
from newsletter.config.settings import Config, load_config
from newsletter.doctor.audience import Readership, examine_audience, read_audience
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.dns.resolver import open_resolver
from newsletter.doctor.known_domains import meant
from newsletter.doctor.mailbox_rules import examine_rules, rules_table
from newsletter.doctor.reputation import Reputation, examine_reputation, read_reputation
from newsletter.state import open_state
from newsletter.state.schema import deliveries, issues
from tests.doctor.name_server import Zones, name_server

ZONE = """
small.example.com. IN MX 10 aspmx.l.google.com.
firm.example.com. IN MX 10 firm-example-com.mail.protection.outlook.com.
own.example.com. IN MX 10 mx.own.example.com.
null.example.com. IN MX 0 .
"""
LIST = [
    "a@gmail.com", "b@gmail.com", "c@googlemail.com", "d@small.example.com", "e@firm.example.com", "f@yahoo.fr",
    "g@icloud.com", "h@own.example.com", "info@own.example.com", "i@gmial.com", "j@mailinator.com",
    "k@null.example.com", "l@gone.example.com",
]  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "newsletter.toml").write_text('[newsletter]\nauthor = "Ada <ada@example.org>"\n')
    (tmp_path / "subscribers.csv").write_text("email\n" + "\n".join(LIST) + "\n")
    return load_config(tmp_path / "newsletter.toml")


async def read(config: Config) -> tuple[Readership, Zones]:
    zones = Zones(ZONE)
    with name_server(zones) as server:
        doctor = config.doctor.model_copy(update={"nameserver": server})
        return await read_audience(config, open_resolver(config.model_copy(update={"doctor": doctor}))), zones


async def test_readers_are_counted_by_provider_by_name_and_by_mx(config: Config) -> None:
    audience, _ = await read(config)
    assert audience.by_provider() == {"Gmail": 4, "Microsoft": 1, "Yahoo": 1, "Apple": 1, "others": 6}
    said = {one.check: one for one in examine_audience(config, audience)}
    assert said["audience"].what == "13 on the list: 4 at Gmail, 1 at Yahoo, 1 at Microsoft, 1 at Apple, 6 at others"
    assert "gmial.com (for gmail.com)" in said["list-slips"].what
    assert said["list-disposable"].what.endswith("to be thrown away: mailinator.com")  # and not the slip again
    assert "info@own.example.com" in said["list-roles"].what
    assert {"null.example.com", "gone.example.com"} <= set(audience.dead)
    assert "at domains that take no mail" in said["list-dead"].what


async def test_an_mx_is_asked_once_a_month_and_of_the_largest_domains(config: Config, monkeypatch) -> None:
    config.state_dir.mkdir()
    monkeypatch.setattr("newsletter.doctor.audience.ASKED", 3)
    _, asked = await read(config)
    assert len([one for one in asked.asked if one.endswith(" MX")]) == 3
    _, again = await read(config)
    assert again.asked == []
    path = config.state_dir / "mx.json"
    assert path.stat().st_mode & 0o077 == 0
    stale = {
        name: [provider, time.time() - 32 * 86_400] for name, (provider, _) in json.loads(path.read_text()).items()
    }
    path.write_text(json.dumps(stale))
    assert len((await read(config))[1].asked) >= 3
    path.write_text("broken")
    assert (await read(config))[0].total == 13


async def test_who_must_not_be_mailed_is_not_counted(config: Config) -> None:
    suppress(open_state(config), "a@gmail.com", "manual", "cli", 1.0)
    assert (await read(config))[0].total == 12


async def test_a_list_that_cannot_be_read_is_a_finding(config: Config) -> None:
    (config.root / "subscribers.csv").write_text("name\nAda\n")
    audience, _ = await read(config)
    [said] = examine_audience(config, audience)
    assert said.result == "fail"


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        *((slip, "gmail.com") for slip in ("gmial.com", "gmai.com", "gnail.com", "gmail.con", "gmail.cm")),
        ("hotmial.com", "hotmail.com"), ("yaho.com", "yahoo.com"), ("outloook.com", "outlook.com"),
        ("iclould.com", "icloud.com"),
        *((own, "") for own in ("gmail.com", "gmx.at", "email.com", "mail.com", "ymail.com", "gmail.de")),
    ],
)  # fmt: skip
def test_a_slip_is_told_from_a_domain_of_its_own(typed: str, wanted: str) -> None:
    assert meant(typed) == wanted


def _sent(config: Config, domain: str, sent: int, failed: int, complaints: int) -> None:
    engine = open_state(config)
    with engine.begin() as connection:
        for number in (1, 2):
            connection.execute(
                issues.insert().prefix_with("OR IGNORE").values(
                    number=number, id=f"issue-{number}", post="p", subject="s", created=number, frozen="{}",
                    hash=str(number), list_hash="",
                )
            )  # fmt: skip
        rows = [
            {"issue": 1, "key": f"{at}@{domain}", "email": f"{at}@{domain}", "name": "", "columns": "{}",
             "state": "sent" if at < sent else "failed"}
            for at in range(sent + failed)
        ]  # fmt: skip
        connection.execute(deliveries.insert(), rows)
    for at in range(complaints):
        suppress(engine, f"{at}@{domain}", "complaint", "feedback", 1.0, "issue-1")


def test_complaints_and_bounces_are_held_against_what_providers_bear(config: Config) -> None:
    assert examine_reputation(read_reputation(config, Readership()))[0].result == "skip"
    _sent(config, "gmail.com", 1_000, 1, 4)
    _sent(config, "yahoo.com", 1_000, 0, 2)
    _sent(config, "icloud.com", 500, 40, 0)
    _sent(config, "outlook.com", 300, 1, 0)
    _sent(config, "small.example.com", 3, 2, 1)
    said = {one.what.partition(",")[0]: one for one in examine_reputation(read_reputation(config, Readership()))}
    results = {name: one.result for name, one in said.items()}
    assert results == {"Gmail": "fail", "Yahoo": "warn", "Apple": "fail", "Microsoft": "pass", "others": "pass"}
    assert "1,000 accepted, 4 complaints (0.40%" in said["Gmail"].what
    assert "the last 2 issues" in said["Gmail"].what
    found = read_reputation(config, Readership())  # Apple's bounces are no complaints, and Gmail's are not Yahoo's
    providers = ("Gmail", "Yahoo", "Apple", "others", "nobody")
    assert [found.complaints(name) for name in providers] == ["fail", "pass", "pass", "skip", "skip"]


def test_each_provider_s_rules_are_a_row_with_their_source_and_date() -> None:
    found = [
        Diagnosis("spf", "pass", ""), Diagnosis("dkim", "fail", ""), Diagnosis("dmarc", "warn", "p=none"),
        Diagnosis("dmarc-alignment", "pass", ""), Diagnosis("one-click", "warn", "mailto alone"),
        Diagnosis("ptr", "skip", ""),
    ]  # fmt: skip
    audience = Readership(total=6_120)
    audience.domains["gmail.com"] = 6_120
    audience.domains["firm.example.com"] = 9_000
    audience.providers["firm.example.com"] = "Microsoft"
    gmail, yahoo, microsoft, apple = examine_rules(audience, found, Reputation())
    assert gmail.check == "gmail-rules"
    assert gmail.result == "fail"
    assert "6,120 read there: the bulk rules bind you" in gmail.what
    assert "February 2024" in gmail.what
    assert "https://support.google.com/mail/answer/81126, as of 21 March 2026" in gmail.what
    assert [yahoo.result, apple.result] == ["warn", "warn"]  # nobody reads there
    assert (microsoft.result, microsoft.what[-18:]) == (
        "warn",
        ". 9,000 read there",
    )  # firms, which the rules leave out
    rows = {row[0]: row[1:] for row in rules_table(found, Reputation())}
    assert rows["rule"] == ("Gmail", "Yahoo", "Microsoft", "Apple")
    assert rows["DMARC has a policy, at least p=none"] == ("kept",) * 4
    assert rows["DKIM signs with a key whose record stands"] == ("broken",) * 4
    assert rows["the sending address has a name that leads back"] == ("open",) * 4
    assert rows["unsubscribing takes one click (RFC 8058), within two days"] == ("broken", "", "", "")
    assert rows["there is a working way to unsubscribe"] == ("", "kept", "kept", "kept")  # by mail, as Yahoo accepts
    assert rows["complaints stay under 0.3 %"] == ("open", "open", "", "")
