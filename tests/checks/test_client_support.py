"""What clients support: the data, the detectors, and what a lack costs the reader."""

import hashlib
import json
import re
from importlib.resources import files

import pytest

from newsletter.checks.clients.caniemail import CLIENTS, features, support
from newsletter.checks.clients.features import image_type, property_slug, uses
from newsletter.checks.clients.impact import HINTS, LOST, WORSE
from newsletter.checks.rules.client_support import client_support
from newsletter.checks.run import check_message
from newsletter.checks.sample import sample_of
from newsletter.compose.html.inline_css import inline_css
from newsletter.config.settings import Checks
from tests.checks.mail import HTML, here, message

DATA = files("newsletter.checks.clients") / "data"


def verdicts(piece: str, clients: tuple[str, ...] = tuple(CLIENTS)) -> dict[str, str]:
    """`client-support`'s severities by the feature's title, infos about ornaments left out."""
    found = check_message(sample_of(message(here(piece))), clients=clients)
    return {
        finding.message: finding.severity
        for finding in found
        if finding.rule == "client-support" and "nothing is lost" not in finding.message
    }


def slugs(html: str) -> set[str]:
    return {use.slug for use in uses(sample_of(message(html)))}


def test_the_shipped_data_is_what_its_note_says():
    said = re.search(r"sha256\s+([0-9a-f]{64})", (DATA / "caniemail.txt").read_text())
    assert said is not None
    assert hashlib.sha256((DATA / "caniemail.json").read_bytes()).hexdigest() == said[1]
    assert "MIT License" in (DATA / "caniemail.LICENSE").read_text(encoding="utf-8")


def test_every_client_of_the_config_is_in_the_data():
    known = {(family, platform) for feature in features().values() for family, platform in feature.stats}
    for name, client in CLIENTS.items():
        Checks.model_validate({"clients": [name]})
        for platform in client.platforms:
            assert (client.family, platform) in known, (name, platform)


def test_every_weighed_feature_is_in_the_data():
    assert {*LOST, *WORSE, *HINTS} <= set(features())


def test_the_latest_version_is_the_last_key_as_written():
    data = json.loads((DATA / "caniemail.json").read_bytes())
    for entry in data["data"]:
        for family, platforms in entry["stats"].items():
            for platform, versions in platforms.items():
                assert features()[entry["slug"]].stats[family, platform] == list(versions.values())[-1]


def test_every_level_follows_from_the_platforms():
    assert support("css-display-flex", "outlook-windows").level == "no"
    assert support("css-display-flex", "apple-mail").level == "yes"
    assert support("css-at-media", "gmail").level == "partly"
    assert support("html-svg", "gmail").level == "no"


MISSED = [
    ("<div style='display: flex'>Two</div>", "display:flex", "error"),
    ("<div style='display: grid'>Two</div>", "display:grid", "error"),
    ("<div style='position: absolute; left: 9px'>Over</div>", "position", "error"),
    ("<p style='color: var(--ink)'>Words</p>", "CSS Variables (Custom Properties)", "error"),
    ("<svg width='9' height='9'><circle r='4'/></svg>", "Embedded <svg> image", "error"),
    ("<img src='https://example.org/a.webp' width='9' alt='An acorn'>", "webP image format", "error"),
    ("<img src='https://example.org/a.svg?v=1' width='9' alt='An acorn'>", "SVG image format", "error"),
    ("<img src='data:image/png;base64,iVBORw0KGgo=' width='9' alt='An acorn'>", "Base 64 image format", "error"),
    ("<p style='font-size: 2rem'>Words</p>", "rem unit", "warning"),
    ("<p style='width: calc(100% - 9px)'>Words</p>", "CSS calc() function", "warning"),
    ("<div style='float: left'>Words</div>", "float", "warning"),
    ("<p style='margin-inline: 9px'>Words</p>", "margin-inline & margin-block", "warning"),
    ("<p style='transform: rotate(9deg)'>Words</p>", "transform", "warning"),
    ("<section style='padding: 9px'>Words</section>", "HTML5 semantics", "warning"),
    ("<footer style='border-top: 1px solid #222'>Words</footer>", "HTML5 semantics", "warning"),
]


@pytest.mark.parametrize(("piece", "title", "severity"), MISSED)
def test_what_the_reader_loses_is_told(piece, title, severity):
    found = verdicts(piece)
    assert any(name.startswith(f"{title}:") and severity == said for name, said in found.items()), found


FINE = [
    "<p style='border-radius: 4px; box-shadow: 0 1px 2px rgba(0,0,0,.1); cursor: pointer'>Words</p>",
    "<div style='display: block; display: flex'>Hidden by a fallback?</div>".replace(
        "display: block; display: flex", ""
    ),
    "<p style='width: 536px; width: calc(100% - 9px)'>Words</p>",
    "<p style='font-size: 32px; font-size: 2rem'>Words</p>",
    "<p style='background-color: #fff; background: linear-gradient(#fff, #eee); color: #222'>Words</p>",
    "<p style='color: #0b5cad; color: rgba(0, 0, 0, .9)'>Words</p>",
    "<img src='https://example.org/a.png' align='left' style='float: left' width='9' alt='An acorn'>",
    "<div style='position: relative'>Words</div>",
    "<div><table role='none' style='float: left'><tr><td>A button</td></tr></table></div>",
    "<section>Words</section>",
    "<figure style='margin: 28px 0'><figcaption style='padding-top: 8px; border: none'>An oak</figcaption></figure>",
    "<div style='display: none; max-height: 0'><div style='display: flex'>Never seen</div></div>",
    "<!--[if mso]><div style='display: flex'>Only Outlook</div><![endif]-->",
    "<picture><img src='https://example.org/a.png' width='9' alt='An acorn'></picture>",
]


@pytest.mark.parametrize("piece", FINE)
def test_what_degrades_well_is_left_alone(piece):
    assert not {"error", "warning"} & set(verdicts(piece).values())


@pytest.mark.parametrize(
    ("css", "severity"),
    [
        ("@media (min-width: 600px) { .page { display: flex } }", None),
        ("@supports (display: grid) { .page { display: grid } }", None),
        (".page:hover { display: flex }", None),
        (".absent { display: flex }", None),
        (".page { display: flex }", "error"),
        (".page { & p { color: #222 } }", "warning"),
        (".page::before { content: 'New:' }", "warning"),
        (".page::before { content: '' }", None),
    ],
)
def test_a_rule_counts_where_it_applies_without_a_condition(css, severity):
    sample = sample_of(message(HTML.replace("</style>", css + "</style>")))
    found = {f.severity for f in check_message(sample) if f.rule == "client-support"} - {"info"}
    assert found == ({severity} if severity else set())


@pytest.mark.parametrize(
    ("sheet", "severity"),
    [
        ("@import url(https://example.org/more.css);", "warning"),
        ("@import 'https://example.org/more.css' screen;", "warning"),
        ("@import url(https://example.org/fonts/inter.css);", None),
    ],
)
def test_a_sheet_that_a_template_imports_stays_in_the_head_and_is_told(sheet, severity):
    mail = inline_css(HTML.replace("<style>", f"<style>{sheet} p {{ color: #222 }}"))
    found = check_message(sample_of(message(mail)))
    told = [finding for finding in found if finding.rule == "client-support" and "@import" in finding.message]
    assert "@import" in mail
    assert [finding.severity for finding in told] == [severity or "info"]
    assert ("the imported styles are not read" in told[0].message) == bool(severity)


def test_only_the_chosen_clients_are_asked():
    piece = "<div style='display: flex'>Two</div>"
    assert "error" in verdicts(piece, ("outlook-windows",)).values()
    assert "error" not in verdicts(piece, ("apple-mail",)).values()


def test_a_finding_names_the_clients_and_the_page_of_the_feature():
    found = check_message(sample_of(message(here("<div style='display: grid'>Two</div>"))))
    finding = next(finding for finding in found if finding.severity == "error")
    assert "Outlook on Windows" in finding.message
    assert "https://www.caniemail.com/features/css-display-grid/" in finding.hint
    assert finding.line == 22


def test_the_table_has_a_row_for_each_feature_that_some_client_lacks():
    rows = client_support(sample_of(message(here("<div style='display: grid'>Two</div>"))))
    assert rows[0].slug == "css-display-grid"
    assert rows[0].impact == "lost"
    assert rows[0].support["outlook-windows"].level == "no"
    assert set(rows[0].support) == set(Checks().clients)
    assert "html-img" not in {row.slug for row in rows}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("padding-left", "css-padding"), ("padding-inline-start", "css-padding-inline-start-end"),
        ("margin-block", "css-margin-inline-block"), ("border-top-left-radius", "css-border-radius"),
        ("border-top-color", "css-border"), ("overflow-x", "css-overflow"), ("top", "css-left-right-top-bottom"),
        ("grid-template-columns", "css-grid-template"), ("row-gap", "css-gap"), ("column-count", "css-column-count"),
        ("background-image", "css-background-image"), ("border-collapse", "css-border-collapse"),
        ("border-spacing", "css-border-spacing"),
    ],
)  # fmt: skip
def test_a_property_belongs_to_a_feature(name, slug):
    assert property_slug(name) == slug
    assert slug in features()


@pytest.mark.parametrize(
    ("source", "kind"),
    [("https://example.org/a.JPG?x=.svg", "jpg"), ("data:image/svg+xml;base64,", "svg"), ("https://example.org/", ""),
     ("https://example.org/a.jpeg", "jpg"), ("https://[broken/a.png", "")],
)  # fmt: skip
def test_a_pictures_type_is_known_by_its_address(source, kind):
    assert image_type(source) == kind


def test_detectors_find_what_is_there_and_no_more():
    found = slugs(here("<p style='--x: 1; color: rgb(1 2 3); width: 10vw' align='left'>x</p><ul><li>x</li></ul>"))
    assert {"css-variables", "css-rgb", "css-unit-vw", "html-align", "html-lists", "css-display-none"} <= found
    assert not {"css-display-flex", "css-rgba", "html-video", "css-unit-rem", "image-png"} & found
