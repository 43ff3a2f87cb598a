"""A site's own shortcodes of HTML with parameters are evaluated; others say what stands in the way."""

from dataclasses import replace

import pytest

from newsletter.compose.body import render_body
from newsletter.errors import NewsletterError
from newsletter.site.page import Page
from tests.compose.sites import HUGO, make, page_of


def page_with(tmp_path, template: str, body: str, name: str = "own") -> Page:
    """A post of a Hugo site that has a shortcode."""
    site = make(tmp_path, {**HUGO, f"layouts/shortcodes/{name}.html": template})
    page = page_of(site, "content/posts/trip/index.md")
    return replace(page, post=replace(page.post, body=body))


@pytest.mark.parametrize(
    ("template", "use", "html"),
    [
        ('<b>{{ .Get "x" }}</b>', '{{< own x="a & b" >}}', "<b>a &amp; b</b>"),
        ("<b>{{ .Get 0 | upper }}</b>", "{{< own loud >}}", "<b>LOUD</b>"),
        ('<b>{{ with .Get "x" }}{{ . }}{{ else }}none{{ end }}</b>', "{{< own >}}", "<b>none</b>"),
        ('<b>{{ if eq (.Get "x") "1" }}1{{ else if .Get "y" }}y{{ end }}</b>', '{{< own y="2" >}}', "<b>y</b>"),
        ('{{ $x := .Get "x" | default "d" }}<b>{{ $x }}</b>', "{{< own >}}", "<b>d</b>"),
        ("<div>{{ .Inner | markdownify }}</div>", "{{< own >}}*a*{{< /own >}}", "<div><em>a</em></div>"),
        ("<b>{{- .Page.Title }} of {{ .Site.Title -}} </b>", "{{< own >}}", "<b>A Trip of The Hugo Log</b>"),
        ('<b>{{ printf "%s-%d" (.Get 0) 3 }}{{/* said */}}</b>', "{{< own a >}}", "<b>a-3</b>"),
        ('<b>{{ if .IsNamedParams }}{{ .Get "a" }}{{ else }}{{ .Get 0 }}{{ end }}</b>', "{{< own z >}}", "<b>z</b>"),
        ('<b>{{ if isset .Params "a" }}yes{{ end }}</b>', '{{< own a="1" >}}', "<b>yes</b>"),
        ('<a href="{{ "/docs/" | relURL }}">{{ .Page.Params.missing }}d</a>', "{{< own >}}", '<a href="https://example.org/h/docs/">d</a>'),
        ("<b>{{ .Inner | safeHTML }}</b>", "{{< own >}}<i>x</i>{{< /own >}}", "<b><i>x</i></b>"),
        ("<b>{{ .Get 0 }}</b>", '{{< own "<script>x</script>" >}}', "<b>&lt;script&gt;x&lt;/script&gt;</b>"),
    ],
)  # fmt: skip
def test_html_with_parameters_is_evaluated(tmp_path, template, use, html):
    assert html in render_body(page_with(tmp_path, template, use))


@pytest.mark.parametrize(
    ("template", "construct"),
    [
        ("{{ range .Site.Pages }}x{{ end }}", "`range`"),
        ('{{ partial "x.html" . }}', "`partial`"),
        ('{{ $r := resources.Get "a.css" }}', "`resources.Get`"),
        ('{{ getJSON "https://example.org" }}', "`getJSON`"),
        ("{{ .Page.Resources.Images }}", "`.Page.Resources.Images`"),
        ('{{ printf "%1000000000s" "x" }}', "`printf` with such arguments"),
        ("{{ if true }}x", "`if` without `end`"),
        ("{{ if true }}" * 50, "too deep"),
        ('{{ "never closed }}', "own.html"),
    ],
)
def test_what_mail_cannot_evaluate_is_named(tmp_path, template, construct):
    page = page_with(tmp_path, template, "One.\n\n{{< own >}}\n")
    if construct == "own.html":  # no action at all: text
        assert "never closed" in render_body(page)
        return
    with pytest.raises(NewsletterError) as raised:
        render_body(page)
    assert construct in raised.value.what
    assert "layouts/shortcodes/own.html uses" in raised.value.what
    assert raised.value.line == page.post.body_line + 2


def test_a_gallery_is_its_pictures(tmp_path):
    page = page_with(tmp_path, "", '{{< gallery match="images/*" >}}')
    for name in ("a.jpg", "b.png", "c.txt"):
        path = page.post.path.parent / "images" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    html = render_body(page)
    assert html.count("<img") == 2
    assert 'src="https://example.org/h/posts/trip/images/a.jpg"' in html
    with pytest.raises(NewsletterError, match="no pictures"):
        render_body(replace(page, post=replace(page.post, body='{{< gallery match="none/*" >}}')))
    with pytest.raises(NewsletterError, match="no pictures"):
        render_body(replace(page, post=replace(page.post, body='{{< gallery dir="../../.." >}}')))
