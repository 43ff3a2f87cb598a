"""Sites of Zola, Eleventy, Pelican and Astro are known for what they are, and their posts stand where they put them."""

# ruff: noqa: E501 (a file a line)

from datetime import UTC, datetime
from urllib.parse import unquote

import pytest

from newsletter.compose.body import render_body
from newsletter.errors import NewsletterError
from newsletter.site.discover import detect_site, find_posts
from newsletter.site.load import load_site
from tests.compose.sites import make, page_of, write

ZOLA = {
    "newsletter.toml": "",
    "config.toml": 'base_url = "https://zola.example.org"\ntitle = "Z"\ndefault_language = "de"\n[markdown]\nsmart_punctuation = true\n',
    "content/blog/_index.md": '+++\ntitle = "Blog"\n+++\n',
    "content/blog/2026-01-02-first-post.md": '+++\ntitle = "First"\n+++\nSee [next](@/blog/other.md#part) -- "now".\n',
    "content/blog/other.md": '+++\ntitle = "Other"\ndate = 2026-01-03\npath = "own/place"\n+++\nText.\n',
    "content/blog/trip/index.md": '+++\ntitle = "Trip"\nslug = "a-trip"\n+++\nText.\n',
}
ELEVENTY = {
    "newsletter.toml": "",
    "eleventy.config.js": 'export default function (c) { return { dir: { input: "src" } }; }\n',
    "src/_data/metadata.json": '{"title": "E", "url": "https://e.example.org/", "author": {"name": "Ada"}}',
    "src/posts/2026-01-02-first.md": "---\ntitle: First\n---\nText.\n",
    "src/posts/own.md": "---\ntitle: Own\npermalink: /there/\n---\nText.\n",
}
PELICAN = {
    "newsletter.toml": "",
    "pelicanconf.py": (
        "import os\nSITENAME = 'P'\nSITEURL = ''\nAUTHOR = 'Ada Moreau'\nPATH = 'content'\n"
        "ARTICLE_URL = 'posts/{date:%Y}/{slug}/'\nos.system('touch ran')\nPLUGINS = [name for name in ()]\n"
    ),
    "publishconf.py": "SITEURL = 'https://p.example.org'\n",
    "content/first.md": "Title: My First Post\nDate: 2026-01-02 10:20\nCategory: News\nTags: a, b\n\nText.\n",
    "content/draft.md": "Title: Draft\nDate: 2026-01-03\nStatus: draft\n\nText.\n",
}
ASTRO = {
    "newsletter.toml": "",
    "astro.config.mjs": "export default defineConfig({ site: 'https://a.example.org', base: '/docs' });\n",
    "src/content/blog/first-post.md": "---\ntitle: First\npubDate: Jul 08 2022\nheroImage: /hero.png\n---\nText.\n",
}


@pytest.mark.parametrize(
    ("files", "post", "url"),
    [
        (ZOLA, "content/blog/2026-01-02-first-post.md", "https://zola.example.org/blog/first-post/"),
        (ZOLA, "content/blog/other.md", "https://zola.example.org/own/place/"),
        (ZOLA, "content/blog/trip/index.md", "https://zola.example.org/blog/a-trip/"),
        (ELEVENTY, "src/posts/2026-01-02-first.md", "https://e.example.org/posts/2026-01-02-first/"),
        (ELEVENTY, "src/posts/own.md", "https://e.example.org/there/"),
        (PELICAN, "content/first.md", "https://p.example.org/posts/2026/my-first-post/"),
        (ASTRO, "src/content/blog/first-post.md", "https://a.example.org/docs/blog/first-post/"),
    ],
)
def test_a_post_stands_where_its_generator_puts_it(tmp_path, files, post, url):
    assert page_of(make(tmp_path, files), post).url == url


@pytest.mark.parametrize(
    ("files", "kind", "title", "posts"),
    [
        (ZOLA, "zola", "Z", "content/blog"),
        (ELEVENTY, "eleventy", "E", "src/posts"),
        (PELICAN, "pelican", "P", "content"),
        (ASTRO, "astro", "", "src/content/blog"),
    ],
)
def test_a_site_is_known_for_what_it_is_and_its_posts_are_found(tmp_path, files, kind, title, posts):
    config = write(tmp_path, files)
    found = detect_site(tmp_path)
    assert found is not None
    assert (found.kind, found.title, found.posts_dir) == (kind, title, posts)
    listed = find_posts(config, load_site(config))
    names = [name for name in files if name.startswith(posts) and name.endswith(".md") and "_index" not in name]
    assert sorted(path.relative_to(tmp_path).as_posix() for path in listed) == sorted(names)


def test_zolas_front_matter_links_and_typography_are_heard(tmp_path):
    page = page_of(make(tmp_path, ZOLA), "content/blog/2026-01-02-first-post.md")
    assert page.post.date == datetime(2026, 1, 2, tzinfo=UTC)
    assert page.language == "de"
    assert render_body(page) == '<p>See <a href="https://zola.example.org/own/place/#part">next</a> – “now”.</p>'


def test_pelicans_lines_are_front_matter_and_its_settings_are_not_run(tmp_path):
    site = make(tmp_path, PELICAN)
    post = page_of(site, "content/first.md").post
    assert (post.title, post.categories, post.tags, post.body) == ("My First Post", ("News",), ("a", "b"), "Text.\n")
    assert post.body_line == 6
    assert page_of(site, "content/draft.md").post.draft
    assert page_of(site, "content/first.md").author.name == "Ada Moreau"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("{filename}/first.md", "https://p.example.org/posts/2026/my-first-post/"),
        ("{filename}first.md#part", "https://p.example.org/posts/2026/my-first-post/#part"),
        ("|filename|/first.md", "https://p.example.org/posts/2026/my-first-post/"),
        ("{static}/images/a b.png", "https://p.example.org/images/a%20b.png"),
        ("{static}a.png", "https://p.example.org/a.png"),
        ("{attach}pdfs/a.pdf", "https://p.example.org/pdfs/a.pdf"),
        ("{tag}Big Words", "https://p.example.org/tag/big-words.html"),
        ("{category}news", "https://p.example.org/in/news/"),
        ("{index}", "https://p.example.org/"),
        ("https://example.com/{filename}", "https://example.com/{filename}"),
    ],
)
def test_pelicans_links_lead_to_pages_and_files(tmp_path, link, address):
    files = {**PELICAN, "pelicanconf.py": PELICAN["pelicanconf.py"] + "CATEGORY_URL = 'in/{slug}/'\n"}
    assert page_of(make(tmp_path, files), "content/draft.md").absolute(link) == address


def test_zola_strikes_out_between_single_tildes_too(tmp_path):
    post = '+++\ntitle = "A"\n+++\na ~b~ ~~c~~ x~y~z ~d~~\n'
    page = page_of(make(tmp_path, {**ZOLA, "content/blog/t.md": post}), "content/blog/t.md")
    assert render_body(page) == "<p>a <del>b</del> <del>c</del> x~y~z ~d~~</p>"


def test_zolas_taxonomies_and_languages(tmp_path):
    config = ZOLA["config.toml"].replace("[markdown]", "[languages.fr]\n[markdown]")
    text = '+++\ntitle = "T"\n[taxonomies]\ntags = ["a", "b c"]\ncategories = ["News"]\n+++\nText.\n'
    files = {**ZOLA, "config.toml": config, "content/blog/t.md": text, "content/blog/t.fr.md": text}
    site = make(tmp_path, files)
    post = page_of(site, "content/blog/t.md").post
    assert (post.tags, post.categories) == (("a", "b c"), ("News",))
    assert page_of(site, "content/blog/t.fr.md").path == "/fr/blog/t/"


def test_astros_dashes_are_long(tmp_path):
    files = {**ASTRO, "src/content/blog/d.md": '---\ntitle: D\n---\na -- b --- "c"\n'}
    assert render_body(page_of(make(tmp_path, files), "src/content/blog/d.md")) == "<p>a — b --- “c”</p>"


@pytest.mark.parametrize(("own", "body"), [("", "<p>Term\n: Text</p>"), ("definition_list = true\n", "<dl>")])
def test_zola_makes_lists_of_definitions_where_it_is_told_to(tmp_path, own, body):
    files = {
        **ZOLA,
        "config.toml": ZOLA["config.toml"] + own,
        "content/blog/d.md": "+++\ntitle = 'D'\n+++\nTerm\n: Text\n",
    }
    assert body in render_body(page_of(make(tmp_path, files), "content/blog/d.md"))


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ("html: true", '<p>"a"\nb -- &lt;&lt; www.example.org</p>'),
        ("breaks : true, typographer: true", "<p>“a”<br>\nb – &lt;&lt; www.example.org</p>"),
        ("linkify: true", '<p>"a"\nb -- &lt;&lt; <a href="https://www.example.org">www.example.org</a></p>'),
    ],
)
def test_eleventys_markdown_it_has_the_options_that_its_configuration_says(tmp_path, options, body):
    files = {
        **ELEVENTY,
        "eleventy.config.js": f"{ELEVENTY['eleventy.config.js']}const md = markdownIt({{ {options} }});",
    }
    files["src/posts/d.md"] = '---\ntitle: D\n---\n"a"\nb -- << www.example.org\n'
    assert render_body(page_of(make(tmp_path, files), "src/posts/d.md")) == body


def test_a_zola_site_whose_posts_are_elsewhere_is_found_whole(tmp_path):
    more = {f"content/edition/{n}/index.md": f'+++\ntitle = "{n}"\n+++\nText.\n' for n in range(9)}
    config = write(tmp_path, {**ZOLA, **more})
    assert len(find_posts(config, load_site(config))) == 12


@pytest.mark.parametrize(
    ("front", "data", "path"),
    [
        ('permalink: "/x/{{ page.fileSlug }}/"', {}, "/x/first/"),
        ('permalink: "/x/{{ title | slugify }}.html"', {}, "/x/my-title.html"),
        (
            "",
            {"posts.json": '{"permalink": "/{{ page.date | date: \'%Y/%m\' }}/{{ page.fileSlug }}/index.html"}'},
            "/2026/01/first/",
        ),
        (
            "",
            {
                "posts.11tydata.js": "export default { permalink: function({page}) { return `/web/${ page.fileSlug }/` } }"
            },
            "/web/first/",
        ),
        (
            "",
            {"posts.11tydata.js": "module.exports = { permalink: data => `/web/${data.page.fileSlug}/` }"},
            "/web/first/",
        ),
        ("", {"posts.json": '{"layout": "post"}'}, "/posts/2026-01-02-first/"),
    ],
)
def test_eleventys_plain_permalinks_are_filled(tmp_path, front, data, path):
    files = {
        **ELEVENTY, "src/posts/2026-01-02-first.md": f"---\ntitle: My Title\n{front}\n---\nText.\n",
        **{f"src/posts/{name}": text for name, text in data.items()},
    }  # fmt: skip
    assert page_of(make(tmp_path, files), "src/posts/2026-01-02-first.md").path == path


def test_a_permalink_that_eleventy_would_compute_is_told(tmp_path):
    files = {**ELEVENTY, "src/posts/posts.11tydata.js": "export default { permalink: data => place(data) }"}
    with pytest.raises(NewsletterError, match=r"posts\.11tydata\.js.*set \[posts\] permalink"):
        page_of(make(tmp_path, files), "src/posts/2026-01-02-first.md")


def test_eleventy_with_folders_of_jekylls_names_is_eleventys(tmp_path):
    files = {
        "newsletter.toml": "", "eleventy.config.js": "export default function (c) {}\n", "_includes/a.html": "",
        "_posts/2026-01-02-a.md": "---\ntitle: A\n---\nA.\n",
    }  # fmt: skip
    site = make(tmp_path, files)
    assert site.other is not None
    assert (site.other.name, site.post_folders) == ("eleventy", (tmp_path / "_posts",))


def test_astros_dates_and_pictures_are_read(tmp_path):
    page = page_of(make(tmp_path, ASTRO), "src/content/blog/first-post.md")
    assert page.post.date == datetime(2022, 7, 8, tzinfo=UTC)
    assert page.image == "https://a.example.org/docs/hero.png"


def test_an_address_that_cannot_be_made_is_told(tmp_path):
    files = {
        **PELICAN,
        "pelicanconf.py": "SITEURL = 'https://p.example.org'\nARTICLE_URL = '{author}/{slug:>9999999999}'\n",
    }
    with pytest.raises(NewsletterError, match="ARTICLE_URL"):
        page_of(make(tmp_path, files), "content/first.md")


def test_a_permalink_in_newsletter_toml_wins(tmp_path):
    files = {**ASTRO, "newsletter.toml": '[posts]\npermalink = "/writing/:title/"\n'}
    assert page_of(make(tmp_path, files), "src/content/blog/first-post.md").path == "/writing/first-post/"


def test_a_hugo_site_with_the_old_name_of_its_configuration_is_hugos(tmp_path):
    files = {
        "newsletter.toml": "",
        "config.toml": 'baseURL = "https://h.example.org/"\n',
        "content/posts/a.md": "---\ntitle: A\n---\nA.\n",
    }
    assert make(tmp_path, files).kind == "hugo"


def test_eleventys_metadata_in_javascript_is_read_and_its_front_matter_in_javascript_is_told(tmp_path):
    about = 'export default { author: { name: "Ada", url: "https://ada.example.org" },\n title: "E", url: "https://e.example.org/" }'
    script = '---js\nconst title = "Secret";\n---\nText.\n'
    files = {
        "newsletter.toml": "", "eleventy.config.js": "export default function() {}\n", "_data/metadata.js": about,
        "posts/trip/trip.md": "Text.\n", "posts/script.md": script,
    }  # fmt: skip
    site = make(tmp_path, files)
    assert (site.title, site.url, site.default_author) == ("E", "https://e.example.org", "Ada")
    assert page_of(site, "posts/trip/trip.md").url == "https://e.example.org/posts/trip/"
    with pytest.raises(NewsletterError, match="the front matter is js, which isn't run"):
        page_of(site, "posts/script.md")


@pytest.mark.parametrize(
    ("settings", "title", "slug"),
    [
        ("", "C'est l'été: Größe & Co.", "cest-lete-grosse-co"),
        ("SLUGIFY_USE_UNICODE = True", "C'est l'été", "cest-lété"),
        ("SLUGIFY_SOURCE = 'basename'", "Anything", "post-1"),
    ],
)
def test_pelicans_slugs_and_times_are_its_own(tmp_path, settings, title, slug):
    config = f"SITEURL = 'https://p.example.org'\nTIMEZONE = 'Europe/Paris'\n{settings}\n"
    post = f"Title: {title}\nDate: 2026-03-10 09:30\nSlug:\n\n    :::python\n    y = 2\n"
    site = make(tmp_path, {"newsletter.toml": "", "pelicanconf.py": config, "content/post-1.md": post})
    page = page_of(site, "content/post-1.md")
    assert unquote(page.path) == f"/{slug}.html"
    assert page.post.date == datetime(2026, 3, 10, 8, 30, tzinfo=UTC)
    assert ":::" not in render_body(page)


def test_a_title_that_pelican_writes_in_latin_letters_asks_for_a_slug(tmp_path):
    files = {"newsletter.toml": "", "pelicanconf.py": "", "content/a.md": "Title: Привет\n\nText.\n"}
    with pytest.raises(NewsletterError, match="give the post a slug"):
        page_of(make(tmp_path, files), "content/a.md")


@pytest.mark.parametrize(
    ("name", "front", "path"),
    [
        ("blog/2026-02-03-Größe_und Co.md", "", "/blog/grosse-und-co/"),
        ("blog/rust.md", 'path = "2026/01/07/rust-1.93"', "/2026/01/07/rust-1.93/"),
        ("blog/own.md", 'slug = "Own Slug"', "/blog/own-slug/"),
    ],
)
def test_zolas_addresses_are_folders_in_latin_letters(tmp_path, name, front, path):
    text = f'+++\ntitle = "A"\n{front}\n+++\n[to](#a-c-b)\n\n## A & `c` B\n'
    page = page_of(make(tmp_path, {**ZOLA, f"content/{name}": text}), f"content/{name}")
    assert page.path == path
    assert '<a href="#a-c-b">' in render_body(page)
