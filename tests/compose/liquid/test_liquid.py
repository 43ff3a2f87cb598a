"""Liquid in Jekyll posts and shortcodes in Hugo posts: what comes out, what is refused, and where."""

# ruff: noqa: E501 (a case a line)

from dataclasses import replace

import pytest

from newsletter.compose.body import render_body
from newsletter.compose.liquid.render import render_liquid
from newsletter.compose.shortcodes.render import render_shortcodes
from newsletter.errors import NewsletterError
from tests.compose.sites import HUGO, JEKYLL, PLAIN, make, page_of


@pytest.fixture
def jekyll(tmp_path):
    return make(tmp_path, JEKYLL)


@pytest.fixture
def hugo(tmp_path):
    return make(tmp_path, HUGO)


def liquid(site, source):
    return render_liquid(source, page_of(site, "_posts/2018-07-03-first.md"))


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("{{ site.title }} {{ site.url }}{{ site.baseurl }} {{ site.email }}", "The Log https://example.org/log log@example.org"),
        ("{{ page.title }} {{ page.date | date: '%-d %B %Y' }} {{ page.url }}", "First 1 July 2018 /news/2018/first/"),
        ("{{ page.nothing.at.all }}|{{ nothing }}", "|"),
        ("{% if page.categories contains 'News' %}y{% else %}n{% endif %}{% unless true %}z{% endunless %}", "y"),
        ("{% case 2 %}{% when 1 %}a{% when 2 %}b{% endcase %}{% comment %}{% bogus %}{% endcomment %}", "b"),
        ("{% assign x = 'a,b' | split: ',' %}{% for i in x %}{{ forloop.index }}{{ i }}{% endfor %}", "1a2b"),
        ("{% capture c %}{{ 1 | plus: 2 }}{% endcapture %}{{ c }}", "3"),
        ("{% raw %}{{ not.this }}{% endraw %}", "{{ not.this }}"),
        ("{% include box.html text='a \"b\"' page=page.title %}", '<b>a "b" First</b>'),
        ("{% assign n = 'box' %}{% include {{ n }}.html text=\"t\" %}", "<b>t </b>"),
        ("{% include_relative 2019-01-02-second-one.md %}", None),
        ("{% post_url 2019-01-02-second-one %}", "https://example.org/log/2019/second-one/"),
        ("{% link _posts/2019-01-02-second-one.md %}", "https://example.org/log/2019/second-one/"),
        ("{% link assets/hero.png %}", "https://example.org/log/assets/hero.png"),
        ("{% highlight ruby linenos %}\nputs 1\n{% endhighlight %}", "~~~~ruby\nputs 1\n~~~~\n"),
        ("{% seo %}{% feed_meta %}{% toc %}", ""),
        ("{{ site.data.authors.ada.name }} {{ site.data.deep.list[1].n }}", "Ada Moreau 2"),
        ("{{ site.posts | map: 'title' | join: ' ' }}", "Third Second First"),
        ("{{ site.posts.first.title }} {{ site.tags.a.size }} {{ site.guides[0].title }}", "Third 1 Here"),
        ("{{ '/a.png' | relative_url }} {{ 'a.png' | absolute_url }}", "/log/a.png https://example.org/log/a.png"),
        ("{{ 'https://example.com/' | relative_url }}", "https://example.com/"),
        ("{{ page.date | date_to_string }}|{{ page.date | date_to_long_string: 'ordinal', 'US' }}", "01 Jul 2018|July 1st, 2018"),
        ("{{ page.date | date_to_xmlschema }}|{{ page.date | date_to_rfc822 }}", "2018-07-01T17:00:00+00:00|Sun, 01 Jul 2018 17:00:00 +0000"),
        ("{{ '2018-07-01' | date: '%e %b %y' }}{{ 'x' | date: '%Y' }}", " 1 Jul 18x"),
        ("{{ 'The _config.yml File' | slugify }} {{ 'A_b c' | slugify: 'pretty' }}", "the-config-yml-file a_b-c"),
        ("{{ 'a *b*' | markdownify | strip_html | strip }}", "a b"),
        ("{{ site.data.table | where: 'name', 'Ben' | map: 'age' }}", "40"),
        ("{{ site.data.deep.list | where_exp: 'x', 'x.n > 1' | jsonify }}", '[{"n": 2}]'),
        ("{% assign g = site.data.table | group_by: 'name' %}{{ g[0].name }}{{ g[0].size }}", "Ada1"),
        ("{{ 'b,a' | split: ',' | sort | array_to_sentence_string: 'or' }}", "a or b"),
        ("{{ site.data.versions | sort: 'n' | map: 'name' | join: ' ' }}", "2.9 2.10 2.10.1"),
        ("{{ 'one two' | number_of_words }}{{ '<&>' | xml_escape }}{{ 'a b' | cgi_escape }}{{ 'a b' | uri_escape }}", "2&lt;&amp;&gt;a+ba%20b"),
        ("{{ 'a' | split: ',' | push: 'b' | pop | jsonify }}", '["a"]'),
        ("{{ 'x y' | normalize_whitespace | inspect }}", "&quot;x y&quot;"),
    ],
)  # fmt: skip
def test_liquid_says_what_jekyll_says(jekyll, source, output):
    found = liquid(jekyll, source)
    assert output is None or found == output


def test_a_shortcode_written_for_mail_comes_before_the_webs(tmp_path):
    site = make(tmp_path, {**HUGO, "email_templates/shortcodes/clever.html": "<i>{{ .Get 0 }}</i>"})
    assert codes(site, "{{< clever a >}}") == "<i>a</i>"


def test_a_themes_shortcodes_and_docsys_pictures(tmp_path):
    theme = {"themes/t/layouts/shortcodes/tip2.html": "<u>{{ .Inner }}</u>", "content/posts/trip/map-1.png": ""}
    site = make(tmp_path, {**HUGO, **theme})
    assert codes(site, "{{< tip2 >}}x{{< /tip2 >}}") == "<u>x</u>"
    assert codes(site, '{{< figure src="a.png" >}}\n## Next').endswith("</figure>\n\n## Next")
    page = page_of(site, "content/posts/trip/index.md")
    html = render_shortcodes('{{< imgproc map Fill "600x" >}}The way{{< /imgproc >}}', page)
    assert html == '<figure><img src="map-1.png" alt="The way"><figcaption>The way</figcaption></figure>'


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("One.\n{% bogus tag %}\n", 7, "unknown Liquid tag {% bogus %}"),
        ("One.\n\n{% if x %}\n", 8, "Liquid"),
        ("{{ 'x' | nonsense }}", 6, "nonsense"),
        ("a\n{% include missing.html %}", 7, "no file 'missing.html' in _includes"),
        ("{% include ../../newsletter.toml %}", 6, "leads out of"),
        ("{% include /etc/passwd %}", 6, "leads out of"),
        ("{% include box.html text=='x' %}", 6, "no parameter"),
        ("{% include_relative ../../../../etc/passwd %}", 6, "leads out of"),
        ("{% link ../../../etc/passwd %}", 6, "leads out of"),
        ("{% post_url 2000-01-01-none %}", 6, "no post '2000-01-01-none'"),
        ("{% link none.md %}", 6, "no file 'none.md'"),
        ("{% highlight ruby %}\nx\n", 6, "no {% endhighlight %}"),
        ("{{ x", 6, "Liquid"),
        ("{% for i in (1..100000000) %}x{% endfor %}", 6, "too much"),
        ("{{ (1..100000000) | join: '' }}", 6, "more than 500,000"),
        ("{% assign s = 'xxxxxxxxxx' %}{% for i in (1..40) %}{% assign s = s | append: s %}{% endfor %}{{ s }}", 6, "too much"),
        ("{% assign s = 'xxxxxxxxxx' %}{% for i in (1..9) %}{% assign s = s | replace: 'x', s %}{% endfor %}", 6, "too much"),
    ],
)  # fmt: skip
def test_what_jekyll_would_not_take_is_told_with_the_posts_line(jekyll, source, line, said):
    with pytest.raises(NewsletterError) as caught:
        liquid(jekyll, source)
    assert said in str(caught.value)
    assert caught.value.line == line
    assert str(caught.value.path).endswith("2018-07-03-first.md")
    assert "\n" not in str(caught.value)


def test_a_fault_in_an_include_names_the_include(jekyll):
    with pytest.raises(NewsletterError) as caught:
        liquid(jekyll, "One.\n{% include bad.html %}")
    assert (str(caught.value.path).endswith("_includes/bad.html"), caught.value.line) == (True, 2)


def test_a_site_says_what_its_plugins_tags_are_in_mail(tmp_path):
    site = make(
        tmp_path,
        {
            **JEKYLL,
            "email_templates/tags/shot.html": '<img src="{{ include.words[0] }}" alt="{{ include.words[1] }}">',
            "email_templates/tags/aside.html": "<p>{{ include.markup }}: {{ include.content | strip }}</p>",
        },
    )
    assert liquid(site, '{% shot /a.png, "A shot" %}') == '<img src="/a.png" alt="A shot">'
    assert liquid(site, "{% aside See %}\n{{ page.title }}\n{% endaside %}!") == "<p>See: First</p>!"
    assert liquid(site, "{% if true %}{% shot /b.png %}{% endif %}") == '<img src="/b.png" alt="">'


def test_an_include_of_itself_ends(jekyll):
    with pytest.raises(NewsletterError):
        liquid(jekyll, "{% include loop.html %}")


def test_a_symlink_out_of_the_site_is_not_included(jekyll):
    (jekyll.root / "_includes/out.html").symlink_to("/etc/hostname")
    with pytest.raises(NewsletterError, match="leads out of"):
        liquid(jekyll, "{% include out.html %}")


def test_highlighted_code_in_a_list_stays_in_it(jekyll):
    text = (
        '---\ntitle: A\n---\n1. Run\n\n   {% highlight sh %}\n   echo hi -- "you"\n   {% endhighlight %}\n\n2. Done\n'
    )
    html = render_body(page_of(jekyll, "_posts/2020-01-01-x.md", text))
    assert html.count("<ol>") == 1
    assert "echo" in html
    assert "--" in html
    assert "highlight" not in html


def test_a_post_about_templating_arrives_as_written_in_a_plain_site(tmp_path):
    site = make(tmp_path, PLAIN)
    page = page_of(site, "posts/t.md", "Use {{ name }} and {% if %}.\n")
    assert render_body(page) == "<p>Use {{ name }} and {% if %}.</p>"


def test_a_personalized_post_is_not_liquid(jekyll):
    page = page_of(jekyll, "_posts/2020-01-01-x.md", "---\npersonalize: true\n---\nDear {{ subscriber.name }},\n")
    assert render_body(page) == "<p>Dear {{ subscriber.name }},</p>"
    assert render_body(
        replace(page, post=replace(page.post, personalize=False)), source="Dear slot0123456789abn0z,"
    ) == ("<p>Dear slot0123456789abn0z,</p>")


def codes(site, source):
    return render_shortcodes(source, page_of(site, "content/posts/2024-05-06-hello.md"))


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ('{{< figure src="/a.png" alt="A" caption="Of *a* & <b>" >}}', '<figure><img src="/a.png" alt="A"><figcaption>Of <em>a</em> &amp; </figcaption></figure>'),
        ("{{< highlight go >}}\nx := 1\n{{< /highlight >}}", "\n~~~~go\nx := 1\n~~~~\n"),
        ('[n]({{< ref "/notes/n.md" >}})', "[n](https://example.org/h/2024/12/a-note-really/)"),
        ('[n]({{< relref "trip#top" >}})', "[n](https://example.org/h/posts/trip/#top)"),
        ("{{< youtube abcdefgh >}}", '<p class="video"><a href="https://www.youtube.com/watch?v=abcdefgh">Watch the video on YouTube</a></p>'),
        ("{{% note %}}\nBe *kind*.\n{{% /note %}}", "\n!!! note\n    Be *kind*.\n"),
        ("{{</* youtube x */>}}", "{{< youtube x >}}"),
        ('{{< loud "a<b" >}}**x**{{< /loud >}}', "<b>a&lt;b</b><strong>x</strong>"),
        ('{{< param "title" >}}', "Hello"),
        ("{{< details \"More\" >}}{{< loud a >}}b{{< /loud >}}{{< /details >}}", "\n<p><strong>More</strong></p>\n\n<b>a</b>b\n"),
    ],
)  # fmt: skip
def test_shortcodes_mean_something_in_mail(hugo, source, output):
    assert codes(hugo, source) == output


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("One.\n\n{{< slider >}}", 7, "unknown shortcode 'slider'; take it out, write what it is in mail into email_"),
        (
            "{{< clever >}}",
            5,
            "uses `range`, which mail can't evaluate; write what it is in mail into email_templates/shortcodes/clever.html",
        ),
        ('{{< ref "nowhere.md" >}}', 5, "no page 'nowhere.md'"),
        ("{{< /note >}}", 5, "closes nothing"),
        ('{{< ref "../../../../etc/passwd" >}}', 5, "no page"),
    ],
)
def test_a_shortcode_that_mail_cannot_show_is_told_with_its_line(hugo, source, line, said):
    with pytest.raises(NewsletterError) as caught:
        codes(hugo, source)
    assert said in str(caught.value)
    assert caught.value.line == line
