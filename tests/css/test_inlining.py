"""Inlining, judged by Chromium: every element of a page computes to the same style before and after."""

import pytest
from playwright.sync_api import Page

from newsletter.compose.html.inline_css import inline_css
from tests.css.browser import browser_page, differences, views_of, whole
from tests.css.cascades import BODY, CASCADES
from tests.css.random_sheets import random_sheet


@pytest.fixture(scope="module")
def page():
    with browser_page() as page:
        yield page


@pytest.mark.parametrize("name", CASCADES)
def test_a_cascade_computes_to_the_same_when_it_is_inlined(page: Page, name: str) -> None:
    case = CASCADES[name]
    css, body = (case, BODY) if isinstance(case, str) else case
    assert differences(page, whole(css, body), inline_css, views_of(css, body)) == []


def test_the_judge_sees_what_has_changed(page: Page) -> None:
    html = whole("p { color: red }", "<p>a</p>")
    told = differences(page, html, lambda html: html.replace("red", "blue"), views_of("", ""))
    assert any(" p: " in one for one in told)


@pytest.mark.parametrize("seed", range(16))
def test_a_sheet_made_at_random_computes_to_the_same_when_it_is_inlined(page: Page, seed: int) -> None:
    css = random_sheet(seed)
    assert differences(page, whole(css, BODY), inline_css, views_of(css, BODY)) == [], css


@pytest.mark.parametrize(
    "nested",
    [
        '<a href="https://example.org/"><table><tr><td>Come back!</td></tr></table></a>',
        "<b><p>bold</p></b>",
        '<p title="it\'s"><a href="x">don\'t</a></p><p>it\'s</p>',
        "<i><center>x</center></i>",
        "<font><center><u><p>x</p></u></center></font>",
        '<p title="&lt;b &gt;x">a <b title="&lt;a &gt;">q</b><!-- <b> --></p>',
    ],
)
def test_what_a_browser_nests_stays_nested(nested: str) -> None:
    """libxml2 ends a link before a table, as HTML 4 had it; so a button of a template was no link."""
    page = inline_css(f"<html><head></head><body>{nested}</body></html>")
    assert nested in page


def test_an_apostrophe_in_a_bare_value_opens_no_quotes() -> None:
    page = inline_css("<html><head></head><body><p title=it's><a href=x>don't > go</a> on</p></body></html>")
    assert '<a href="x">don\'t &gt; go</a> on</p>' in page
