"""Rows of inboxes: what shows, and where it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.checks.sample import sample_of
from newsletter.web.studio.inbox_rows import CLIENTS, Line, clusters, cut, rows, snippet_of, text_width

LINE = Line(200, 14)


def test_what_fits_is_whole() -> None:
    assert cut("Hello", LINE).shown == "Hello"
    assert not cut("Hello", LINE).is_cut


def test_widths_are_those_of_the_letters() -> None:
    assert text_width("iiii", LINE) < text_width("MMMM", LINE) / 3
    assert text_width("田中", LINE) == 2 * 14
    assert text_width("é", LINE) == text_width("e", LINE)
    assert text_width("\u200b\u034f", LINE) == 0


@given(st.text(max_size=120))
def test_shown_and_hidden_make_the_whole_and_fit(text: str) -> None:
    found = cut(text, LINE)
    if found.is_cut:
        assert text.startswith(found.shown[:-1])
        assert (found.shown[:-1] + found.hidden).replace(" ", "") in text.replace(" ", "") or text.endswith(
            found.hidden
        )
        assert text_width(found.shown, LINE) <= LINE.room
    else:
        assert found.shown == text
    assert "".join(clusters(text)) == text


@pytest.mark.parametrize("piece", ["👩🏽‍🚀", "é", "ल्‍ल"])
def test_no_character_is_cut_in_two(piece: str) -> None:
    found = cut(piece * 40, Line(100, 14))
    assert found.is_cut
    assert len(clusters(found.shown[:-1])[-1]) == len(clusters(piece * 2)[0])


def test_each_inbox_is_there_for_desktop_and_phone() -> None:
    assert {(client.name, client.where) for client in CLIENTS} == {
        (name, where) for name in ("Gmail", "Apple Mail", "Outlook") for where in ("Desktop", "Phone")
    }


def test_phones_cut_a_long_subject_sooner_than_a_desktop_and_the_snippet_takes_what_is_left() -> None:
    subject = "Nine things that nobody tells you about growing oaks from acorns in a small garden"
    found = {row.client.key: row for row in rows("Ada Moreau", subject, "First, be patient.")}
    assert len(found["gmail-phone"].subject.shown) < len(found["gmail-desktop"].subject.shown)
    assert found["gmail-phone"].note == "subject cut"
    short = {row.client.key: row for row in rows("Ada Moreau", "Oaks", "word " * 60)}
    middle = {row.client.key: row for row in rows("Ada Moreau", "Oaks, and how to wait", "word " * 60)}
    assert len(short["gmail-desktop"].snippet.shown) > len(middle["gmail-desktop"].snippet.shown)


def test_an_empty_subject_reads_as_inboxes_write_it() -> None:
    assert rows("Ada", "", "")[0].subject.shown == "(no subject)"


def message(html: str) -> bytes:
    head = b"From: a@example.org\r\nSubject: Oaks\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    return head + html.encode()


def test_the_preview_text_is_what_clients_show_padding_included() -> None:
    pad = " &#847;&zwnj;" * 60
    html = f"<html><head><title>Oaks</title></head><body><div>Jays did.{pad}</div><p>The <b>body</b>.</p></body></html>"
    text = snippet_of(sample_of(message(html)))
    assert text.startswith("Jays did. \u034f\u200c")
    assert text.endswith("\u034f\u200c The body.")  # no blank before the full stop: <b> is no block
    (gmail,) = [row for row in rows("Ada", "Oaks", text) if row.client.key == "gmail-phone"]
    assert gmail.snippet.shown.startswith("Jays did.")
    assert "The body" not in gmail.snippet.shown
    assert snippet_of(sample_of(message("<p>One</p>\n <!-- no -->\n<p>Two&nbsp;&nbsp;three</p>"))) == (
        "One Two\u00a0\u00a0three"
    )
