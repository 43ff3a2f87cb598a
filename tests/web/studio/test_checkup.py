"""The studio's page of the doctor's findings, as a browser shows it."""

from pathlib import Path

from newsletter.config.settings import load_config
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.run import Examination
from newsletter.web.pages import fragment
from newsletter.web.studio.checkup import Checkup, context, examine_now
from tests.doctor.name_server import Zones, name_server

from .site import make_site, running

LINE = '_dmarc.example.org. IN TXT "v=DMARC1; p=none"'


def test_nothing_is_asked_before_somebody_presses_the_button() -> None:
    html = fragment("studio/doctor.html", {**context(None), "error": "", "token": ""})
    assert 'href="/doctor?look=1">Look now</a>' in html
    assert "<li " not in html


def test_what_is_wrong_stands_there_with_the_line_to_copy() -> None:
    found = Diagnosis(
        "dmarc", "fail", "example.org has <no> DMARC record", f"Put this into the DNS of example.org:\n{LINE}"
    )
    rules = (("rule", "Gmail"), ("DMARC", "broken"))
    checkup = Checkup(
        (Examination("Identity", (found, Diagnosis("mx", "pass", "fine"))), Examination("Rules", (), rules)), 0.0
    )
    made = context(checkup)
    assert made["counts"] == [
        ("fail", "wrong", 1),
        ("warn", "to better", 0),
        ("pass", "fine", 1),
        ("skip", "not looked at", 0),
    ]
    html = fragment("studio/doctor.html", {**made, "error": "", "token": ""})
    assert "example.org has &lt;no&gt; DMARC record" in html
    assert f'<pre tabindex="0">{LINE.replace(chr(34), "&#34;")}</pre>' in html
    assert '<td class="doctor-broken">broken</td>' in html
    assert 'style="' not in html


async def test_the_page_looks_as_the_command_does(tmp_path: Path) -> None:
    with name_server(Zones("example.org. IN SOA ns.example.org. host.example.org. 1 2 3 4 5")) as server:
        (tmp_path / "newsletter.toml").write_text(
            f'[newsletter]\nauthor = "Ada <ada@example.org>"\n[doctor]\nnameserver = "{server}"\n'
        )
        checkup = await examine_now(load_config(tmp_path / "newsletter.toml"))
    headings = [one.heading for one in checkup.examinations]
    assert headings[0] == "Identity"
    assert {"Relay", "Audience", "Here", "Mailbox providers' rules"} < set(headings)


async def test_the_page_asks_nobody_until_it_is_told_to(tmp_path: Path) -> None:
    zones = Zones("example.org. IN SOA ns.example.org. host.example.org. 1 2 3 4 5")
    with name_server(zones) as server:
        made = make_site(tmp_path / "letters")
        toml = made.root / "newsletter.toml"
        toml.write_text(f'{toml.read_text()}\n[doctor]\nnameserver = "{server}"\n')
        async with running(made) as site:
            status, _, page = await site.ask("/doctor")
            assert (status, b"Look now" in page, zones.asked) == (200, True, [])
            status, _, page = await site.ask("/doctor?look=1")
            assert (status, b"Look again" in page, bool(zones.asked)) == (200, True, True)
            _, _, again = await site.ask("/doctor")
            assert b"has no SPF record" in again


async def test_what_keeps_the_doctor_from_looking_stands_on_the_page(tmp_path: Path) -> None:
    made = make_site(tmp_path / "letters")
    toml = made.root / "newsletter.toml"
    toml.write_text(f'{toml.read_text()}\n[doctor]\nnameserver = "nobody"\n')
    async with running(made) as site:
        status, _, page = await site.ask("/doctor?look=1")
    assert status == 200
    assert b"is no name server" in page
