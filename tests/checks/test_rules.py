"""Each rule on a message that calls for it, and on the nearest one that does not."""

import email
import re
from email.mime.image import MIMEImage

import pytest

from newsletter.checks.run import check_message
from newsletter.checks.sample import sample_of
from tests.checks.mail import HTML, WORDS, findings, here, message, rules

DATA_TABLE = "<table><tr><th>Year</th><th>Price</th></tr><tr><td>1709</td><td>2d</td></tr></table>"
NAKED_TABLE = "<table>" + "<tr><td>1709</td><td>2d</td></tr>" * 3 + "</table>"
IMG = '<img src="https://example.org/a.png" width="200" alt="An acorn">'


def test_nothing_is_wrong_with_a_good_message():
    assert findings() == []


SPOILED = [
    ("<video src='https://example.org/v.mp4'></video>", "active-content:warning"),
    ("<script>alert(1)</script>", "active-content:error"),
    ("<form action='https://example.org/'></form>", "active-content:error"),
    ("<iframe src='https://example.org/'></iframe>", "active-content:error"),
    ("<object data='https://example.org/a.swf'></object>", "active-content:error"),
    ("<embed src='https://example.org/a.swf'>", "active-content:error"),
    ("<audio src='https://example.org/a.mp3'></audio>", "active-content:warning"),
    ("<p onclick='x()'>Hello there</p>", "active-content:error"),
    (IMG.replace(' alt="An acorn"', ""), "image-alt:error"),
    ("<img src='https://example.org/open.gif' width='1' height='1'>", "image-alt:error"),
    (IMG.replace("An acorn", "IMG_4711.jpg"), "image-alt:warning"),
    (IMG.replace("An acorn", "x" * 126), "image-alt:warning"),
    ('<img width="20" alt="Nothing">', "image-source:error"),
    (IMG.replace("https://example.org/", "/images/"), "image-source:error"),
    (IMG.replace("https://example.org/", "cid:"), "image-source:error"),
    (IMG.replace("https:", "http:"), "image-source:warning"),
    (IMG.replace(' width="200"', ""), "image-size:warning"),
    (IMG.replace('"200"', '"100%"'), "image-size:warning"),
    (IMG.replace("200", "641"), "width:warning"),
    ("<div style='width: 700px'>Hello there</div>", "width:warning"),
    ("<table role='none' width='700'><tr><td>Hello</td></tr></table>", "width:warning"),
    ("<table><tr><td>Hello</td></tr></table>", "table-role:warning"),
    (NAKED_TABLE, "table-role:warning"),
    (DATA_TABLE.replace("<table>", "<table role='presentation'>"), "table-role:warning"),
    ("<p style='color: #888888'>Faint words</p>", "contrast:error"),
    ("<p style='color: #ffffff'><span>White</span> words</p>", "contrast:error"),
    ("<table role='none' bgcolor='#333'><tr><td>Dark ground</td></tr></table>", "contrast:error"),
    ("<p style='background: #ffffff; color: #222222; opacity: .4'>Faint words</p>", "contrast:error"),
    ("<p style='background: #fff; color: rgba(0, 0, 0, .3)'>Faint words</p>", "contrast:error"),
    ("<p style='color: #222222; background: #fff'><b style='color: #222'>By dark</b></p>", None),
    ("<p style='color: #333333'>Unseen by dark</p>", "contrast:warning"),
    ("<p style='font-size: 13.9px'>Small words</p>", "small-text:warning"),
    ("<p style='font-size: 10pt'>Small words</p>", "small-text:warning"),
    ("<p style='background: #0000ee'><a class='link' href='https://example.org/x'>On blue</a></p>", "contrast:error"),
    ("<div style='background: #000'><p style='color: #fff; opacity: .3'>Grey</p></div>", "contrast:error"),
    ("<p><small>Small words</small></p>", "small-text:warning"),
    ("<p><font size=1>Small words</font></p>", "small-text:warning"),
    ("<h3>Too deep</h3>", "heading-order:warning"),
    ("<h1>Once more</h1>", "heading-order:warning"),
    ("<a class='link' href='https://example.org/x'></a>", "link-text:error"),
    (f"<a class='link' href='https://example.org/x'>{IMG.replace('An acorn', '')}</a>", "link-text:error"),
    ("<a class='link' href='https://example.org/x'>Click here</a>", "link-text:warning"),
    ("<a class='link' href='https://example.org/x'>Hier klicken!</a>", "link-text:warning"),
    (f"<a class='link' href='https://example.org/x'>https://example.org/{'a' * 21}</a>", "link-text:warning"),
    ("<a class='link' href='/x'>Further reading</a>", "link-target:error"),
    ("<a class='link' href='#'>Further reading</a>", "link-target:error"),
    ("<a class='link' href=''>Further reading</a>", "link-target:error"),
    ("<a class='link' href='#nowhere'>Further reading</a>", "link-target:error"),
    ("<a class='link' href='http://localhost:4000/x'>Further reading</a>", "link-target:error"),
    ("<a class='link' href='https://[::1]/x'>Further reading</a>", "link-target:error"),
    ("<a class='link' href='javascript:x()'>Further reading</a>", "link-target:error"),
    ("<a class='link' href='https://[broken/'>Further reading</a>", "link-target:error"),
    ("<a class='link' href='http://example.org/x'>Further reading</a>", "link-target:warning"),
    ("<a class='link' href='https://192.0.2.1/x'>Further reading</a>", "link-target:warning"),
    ("<a class='link' href='https://bit.ly/x'>Further reading</a>", "link-target:warning"),
    ("<a class='link' href='http://'>Further reading</a>", "link-target:error"),
    ("<a class='link' href='mailto:'>Further reading</a>", "link-target:error"),
    ("<a class='link' href='https://example.net/'>www.example.com</a>", "link-target:warning"),
    ("<p>Dear {{ name }}</p>", "leftover:error"),
    ("<p>Dear {% if x %}</p>", "leftover:error"),
    ("<p>Dear *|FNAME|*</p>", "leftover:error"),
    ("<p>Dear reader {: .lead}</p>", "leftover:error"),
    ("<p>Dear %%firstname%%</p>", "leftover:error"),
    ("<p>Dear %recipient.first_name%</p>", "leftover:error"),
    ("<p>Dear ${user.name}</p>", "leftover:error"),
    ("<p>Dear {FIRST_NAME}</p>", "leftover:error"),
    ("<p>Dear {$name}</p>", "leftover:error"),
    ("<p>Dear &lt;%= @user.name %&gt;</p>", "leftover:error"),
    ("<p>Leave: [UNSUBSCRIBE]</p>", "leftover:error"),
    ("<p>100% of it, 5%.of x, [sic], [1], {x}, $5, a % b % c, 50 %, C[A] and [NOTE]</p>", None),
    ("<p><a class='link' href='https://example.org/%7B%7B%20id%20%7D%7D'>Your page</a></p>", "leftover:error"),
    ("<p>A windows-1252 quote: \u0093</p>", "charset:error"),
    ("<td style=\"background-image: url('https://example.org/a.png')\">x</td>", "inline-background-image:warning"),
]  # fmt: skip


@pytest.mark.parametrize(("piece", "rule"), SPOILED)
def test_what_is_wrong_in_the_body_is_found(piece, rule):
    assert rules(here(piece)) - {"client-support:error", "client-support:warning"} == ({rule} if rule else set())


FINE = [
    IMG.replace("An acorn", ""),
    IMG.replace("An acorn", "x" * 125),
    IMG.replace("200", "640"),
    "<img src='https://example.org/open.gif' width='1' height='1' alt=''>",
    "<img src='https://example.org/hidden.gif' style='display: none'>",
    "<img src='https://example.org/a.png' width='600' style='max-width: 600px' alt='Wide'>",
    "<div style='width: 700px; max-width: 600px'>Hello there</div>",
    DATA_TABLE,
    "<table role='presentation'><tr><td>Hello</td></tr></table>",
    "<p style='color: #eeeeee; background: #222222'>Light on dark</p>",
    "<p><a class='link' href='https://example.org/x'>Blue on white</a></p>",
    "<p style='font-size: 14px'>Just large enough</p>",
    "<p>Water is H<sub style='font-size: 10px'>2</sub>O</p>",
    "<h2>One level down</h2><h3>And one more</h3><h2>And up again</h2>",
    "<a class='link' href='https://example.org/x'><img src='https://example.org/a.png' width='9' alt='Our oaks'></a>",
    "<a class='link' href='https://example.org/x' aria-label='Our oaks'></a>",
    f"<a class='link' href='https://example.org/x'>https://example.org/{'a' * 20}</a>",
    "<a class='link' href='mailto:ada@example.org'>Write to me</a>",
    "<a class='link' href='tel:+123'>Call me</a>",
    "<a class='link' href='#note'>The note</a> <span id='note'>The note itself</span>",
    "<a class='link' href='https://www.example.com/'>example.com</a>",
    "<a class='link' href='https://example.org/js'>Node.js</a>",
    "<a class='link' href='https://example.org/net'>ASP.NET</a>",
    "<p>In code <code>{{ name }}</code> stands for a name</p>",
    "<pre>{% if x %}</pre>",
    "<p>Sets are {a, b} and {{a}, {b}</p>",
    "<!--[if mso]><table><tr><td><font color='#fff'>{{ x }}</font></td></tr></table><![endif]-->",
    "<div style='display:none; max-height:0; color:#ffffff; font-size:1px'>" + "&#847;&zwnj;&nbsp;" * 60 + "</div>",
    "<p style='color: #eeeeee'> \u00b7 </p>",
    "<script type='application/ld+json'>{}</script>",
]  # fmt: skip


@pytest.mark.parametrize("piece", FINE)
def test_what_is_fine_in_the_body_is_left_alone(piece):
    assert rules(here(piece)) == set()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (NAKED_TABLE, "no header cells"),
        (NAKED_TABLE.replace("1709", "<a class='link' href='https://example.org/x'>1709</a>"), "no header cells"),
        (NAKED_TABLE.replace("1709", IMG), "layout table"),
        (NAKED_TABLE.replace("<td>2d</td>", ""), "layout table"),
        ("<table>" + "<tr><td>1709</td><td>2d</td></tr>" * 2 + "</table>", "layout table"),
    ],
)
def test_a_table_of_data_is_told_from_one_that_lays_out(table, said):
    [found] = [finding.message for finding in findings(here(table)) if finding.rule == "table-role"]
    assert said in found


def test_words_over_a_background_picture_have_no_known_contrast():
    html = here(
        "<table role='none' background='https://example.org/n.png'><tr><td style='color:#eee'>Night</td></tr></table>"
    )
    assert "contrast:error" not in rules(html)


@pytest.mark.parametrize(
    ("colour", "size", "weak"),
    [("#767676", "16px", False), ("#777777", "16px", True), ("#949494", "24px", False), ("#959595", "24px", True),
     ("#949494", "14pt; font-weight: bold", False), ("#949494", "23.9px", True)],
)  # fmt: skip
def test_contrast_is_judged_at_its_border(colour, size, weak):
    assert ("contrast:error" in rules(here(f"<p style='color: {colour}; font-size: {size}'>Words</p>"))) is weak


def test_colours_that_are_weak_by_day_and_by_night_alike_are_told_once():
    found = findings(here("<p style='color: #ffffff; background: #22bc66'>Buy</p>"))
    assert [(finding.rule, finding.severity) for finding in found] == [("contrast", "error")]


def test_what_is_inside_a_gap_of_font_size_zero_is_seen():
    html = here("<div style='font-size: 0'> <div style='font-size: 16px; color: #999'>Seen</div> </div>")
    assert "contrast:error" in rules(html)
    assert rules(here("<div style='font-size: 0; color: #999'>Unseen</div>")) == set()
    assert rules(here("<div style='background:'><p>Words</p></div>")) == set()


def test_one_pair_of_colours_is_one_finding():
    found = findings(here("<p style='color: #888'>One</p>" * 9))
    assert len([finding for finding in found if finding.severity == "error"]) == 1
    assert "and 8 more" in found[0].message


HEAD = [
    ('<meta name="viewport" content="width=device-width, initial-scale=1">', "", "width:warning"),
    ('<html lang="en" dir="ltr">', '<html dir="ltr">', "language:error"),
    ('<html lang="en" dir="ltr">', '<html lang="en">', "language:warning"),
    ('<html lang="en" dir="ltr">', '<html lang="he">', "language:error"),
    ('<div class="page" lang="en" dir="ltr"', '<div class="page" lang="en"', "language:warning"),
    ('<div class="page" lang="en" dir="ltr"', '<div class="page" lang="ar"', "language:error"),
    ("<title>Who planted the oaks</title>", "", "language:warning"),
    ("<title>Who planted the oaks</title>", "<title> </title>", "language:warning"),
    ('<meta charset="utf-8">', '<meta charset="iso-8859-1">', "charset:error"),
    ("</style>", "@supports (display: grid) { @media (x) { p { margin: 0 } } }</style>", "nested-at-rule:error"),
    ("A name, a year, and the price of an acorn.", "", "preheader:warning"),
    ("A name, a year, and the price of an acorn.", "x" * 29, "preheader:warning"),
    ("A name, a year, and the price of an acorn.", "x" * 30, None),
    ("A name, a year, and the price of an acorn.", "x" * 100, None),
    ("A name, a year, and the price of an acorn.", "x" * 101, "preheader:warning"),
    ("A name, a year, and the price of an acorn.", "Who planted the oaks", "preheader:warning"),
    ("A name, a year, and the price of an acorn.", "x" * 40 + "&#847;&zwnj;&nbsp;" * 90, None),
    (WORDS, WORDS[:300], "mostly-images:warning"),
    ("Unsubscribe</a>", "Subscription settings</a>", None),
    ("https://example.org/u/token\">Unsubscribe", "https://example.org/bye\">Subscription settings", None),
    ("https://example.org/u/token\">Unsubscribe", "https://example.org/u/ada\">Ada's page", "unsubscribe:error"),
    ("Unsubscribe</a>", "Bye</a>", None),  # it leads where the header says
    ("https://example.org/u/token\">Unsubscribe", "https://example.org/bye\">Goodbye", "unsubscribe:error"),
    ("https://example.org/u/token\">Unsubscribe", "https://example.org/bye\">Abmelden", None),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "rule"), HEAD)
def test_what_is_wrong_around_the_body_is_found(old, new, rule):
    assert old in HTML
    assert rules(HTML.replace(old, new)) == ({rule} if rule else set())


@pytest.mark.parametrize(
    ("size", "rule"),
    [(90 * 1024, set()), (90 * 1024 + 1, {"gmail-clip:warning"}), (102 * 1024, {"gmail-clip:warning"}),
     (102 * 1024 + 1, {"gmail-clip:error"})],
)  # fmt: skip
def test_the_html_part_is_measured_at_gmails_limit(size, rule):
    empty = sample_of(message(here("<!---->"))).html
    assert empty is not None
    html = here(f"<!--{'x' * (size - len(empty.text.encode()))}-->")
    full = sample_of(message(html)).html
    assert full is not None
    assert full.size == size
    assert rules(html) == rule


@pytest.mark.parametrize(
    ("size", "rule"),
    [(8192, set()), (8193, {"style-size:warning"}), (16384, {"style-size:warning"}), (16385, {"style-size:error"})],
)
def test_the_style_elements_are_measured_together(size, rule):
    there = sum(style.size for style in sample_of(message()).styles)
    html = HTML.replace("</head>", f"<style>/*{'x' * (size - there - 4)}*/</style></head>")
    assert rules(html) == rule


def test_a_style_in_a_conditional_comment_is_not_counted():
    html = HTML.replace("</head>", f"<!--[if mso]><style>/*{'x' * 20_000}*/</style><![endif]--></head>")
    assert rules(html) == set()


@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        ({"subject": None}, "subject:error"),
        ({"subject": "x" * 60}, None),
        ({"subject": "x" * 61}, "subject:warning"),
        ({"subject": "READ THIS LETTER"}, "subject:warning"),
        ({"subject": "NASA"}, None),
        ({"list_unsubscribe": None, "list_unsubscribe_post": None}, "unsubscribe:error"),
        ({"list_unsubscribe": "https://example.org/u/token"}, "unsubscribe:error"),
        ({"list_unsubscribe": "<http://example.org/u/token>"}, "unsubscribe:error"),
        ({"list_unsubscribe": "<mailto:leave@example.org>", "list_unsubscribe_post": None}, None),
        ({"list_unsubscribe": "<mailto:leave@example.org>"}, "unsubscribe:error"),
        ({"list_unsubscribe_post": None}, "unsubscribe:error"),
        ({"list_unsubscribe_post": "One-Click"}, "unsubscribe:error"),
    ],
)
def test_the_headers_are_read(headers, rule):
    assert rules(**headers) == ({rule} if rule else set())


def test_an_encoded_list_unsubscribe_header_is_malformed():
    raw = re.sub(rb"List-Unsubscribe:\s+<https", b"List-Unsubscribe: =?utf-8?q?=3Chttps", message())
    found = check_message(sample_of(raw))
    assert ("unsubscribe", "error") in {(finding.rule, finding.severity) for finding in found}


@pytest.mark.parametrize(("words", "rule"), [(99, {"text-part:warning"}), (100, set())])
def test_the_text_part_says_half_at_least(words, rule):
    html = HTML.split("<!-- here -->")[0].replace(WORDS, "word " * 195) + "</td></tr></table></div></body></html>"
    found = rules(html.replace("</h1>", '</h1><a href="https://example.org/u/token">Leave</a>'), "word " * words)
    assert found - {"contrast:warning"} == rule


@pytest.mark.parametrize(("letters", "rule"), [(399, {"mostly-images:warning"}), (400, set())])
def test_pictures_need_words(letters, rule):
    there = sum(len(words.text.strip()) for words in sample_of(message()).shown) - len(WORDS)
    assert rules(HTML.replace(WORDS, "x" * (letters - there)), "x " * 200) == rule


@pytest.mark.parametrize(("size", "found"), [(1024 * 1024, []), (1024 * 1024 + 1, ["warning"])])
def test_a_picture_in_the_message_is_weighed(size, found):
    raw = message(here(IMG.replace("https://example.org/a.png", "cid:oak")))
    mail = email.message_from_bytes(raw)
    picture = MIMEImage(b"x" * size, "png")
    picture["Content-ID"] = "<oak>"
    mail.attach(picture)
    severities = [f.severity for f in check_message(sample_of(mail.as_bytes())) if f.rule == "image-source"]
    assert severities == found


def test_a_page_that_does_not_know_the_dark_is_told_for_information():
    bare = re.sub(r"(?s)<style>.*</style>", "", HTML.replace('<meta name="color-scheme" content="light dark">', ""))
    told = [f for f in check_message(sample_of(message(bare))) if f.rule == "dark-mode"]
    assert [(f.severity, "meta" in f.message, "styles" in f.message) for f in told] == [("info", True, True)]
    assert "dark-mode" not in {f.rule for f in check_message(sample_of(message()))}


def test_a_missing_text_part_is_an_error():
    assert rules(text=None) == {"text-part:error"}


def test_a_text_part_that_says_less_than_half_is_a_warning():
    words = WORDS.split()
    assert rules(text=" ".join(words[: len(words) // 3])) == {"text-part:warning"}
    assert rules(text=" ".join(words[: len(words) * 2 // 3])) == set()


def test_a_message_of_text_alone_is_judged_by_its_headers_alone():
    assert rules(html=None) == set()


def test_a_message_in_latin1_is_an_error():
    raw = message().replace(
        b'Content-Type: text/html; charset="utf-8"', b'Content-Type: text/html; charset="iso-8859-1"'
    )
    assert "charset" in {finding.rule for finding in check_message(sample_of(raw))}


def test_errors_come_first():
    found = findings(here("<p style='font-size: 10px'>Small</p><p style='color:#999'>Faint</p>"))
    assert [finding.severity for finding in found] == sorted((f.severity for f in found), key="error warning".index)
