"""What a site adds to a post: permalinks, authors, images, absolute addresses; and finding sites and posts."""

# ruff: noqa: E501 (a case a line)

import os
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from newsletter.errors import NewsletterError
from newsletter.site.discover import DetectedSite, detect_site, find_posts
from newsletter.site.load import load_site
from newsletter.site.paths import inside
from newsletter.site.site import Author
from tests.compose.sites import HUGO, JEKYLL, PLAIN, make, page_of, write


@pytest.fixture
def jekyll(tmp_path):
    return make(tmp_path, JEKYLL)


@pytest.fixture
def hugo(tmp_path):
    return make(tmp_path, HUGO)


@pytest.fixture
def plain(tmp_path):
    return make(tmp_path, PLAIN)


def test_a_jekyll_site_tells_its_facts(jekyll):
    assert jekyll.kind == "jekyll"
    assert (jekyll.title, jekyll.url, jekyll.language) == ("The Log", "https://example.org/log", "fr")
    assert (jekyll.origin, jekyll.base_path) == ("https://example.org", "/log")
    assert [folder.name for folder in jekyll.post_folders] == ["_posts", "_drafts"]
    assert jekyll.data["deep"]["list"] == [{"n": 1}, {"n": 2}]
    assert jekyll.data["table"][0] == {"name": "Ada", "age": "36"}
    assert "broken" not in jekyll.data


def test_a_hugo_site_tells_its_facts(hugo):
    assert hugo.kind == "hugo"
    assert (hugo.title, hugo.url, hugo.language) == ("The Hugo Log", "https://example.org/h", "en")
    assert hugo.timezone == ZoneInfo("Europe/Paris")
    assert page_of(hugo, "content/notes/n.md").author == Author("Ada Moreau")
    assert [folder.name for folder in hugo.post_folders] == ["posts"]


def test_a_plain_folder_has_what_newsletter_toml_says(plain):
    page = page_of(plain, "posts/2026-05-04-hello.md")
    assert (plain.kind, plain.title, plain.url, plain.timezone) == ("plain", "X", "https://example.org/x", UTC)
    assert page.url == "https://example.org/x/hello/"
    assert page.author == Author("Ada Moreau")
    assert page.image == ""


def test_newsletter_toml_wins_over_the_site(tmp_path):
    own = '[newsletter]\ntitle = "Mine"\nurl = "https://example.net"\nlanguage = "de"\n[posts]\npermalink = "/:slug.html"\n'
    site = make(tmp_path, {**JEKYLL, "newsletter.toml": own})
    assert (site.title, site.url, site.language) == ("Mine", "https://example.net", "de")
    assert page_of(site, "_posts/2018-07-03-first.md").url == "https://example.net/first.html"


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("date", "/big-news/2018/07/01/My-trip.html"),
        ("pretty", "/big-news/2018/07/01/My-trip/"),
        ("ordinal", "/big-news/2018/182/My-trip.html"),
        ("weekdate", "/big-news/2018/W26/Sun/My-trip.html"),
        ("none", "/big-news/My-trip.html"),
        ("/:title/", "/My-trip/"),
        ("/:slug", "/my-trip"),
        ("/:year/:i_month/:i_day/:short_year/:title.html", "/2018/7/1/18/My-trip.html"),
        ("/:long_month/:short_month/:long_day/:hour:minute:second/", "/July/Jul/Sunday/170000/"),
        ("/:slugified_categories/:name:output_ext", "/big-news/2018-07-03-my-trip.html"),
        ("/:month_:day/:title", "/07_01/My-trip"),
        ("/blog/:nonsense/:title", "/blog/:nonsense/My-trip"),
    ],
)
def test_jekylls_permalinks(tmp_path, pattern, path):
    config = f"url: https://example.org\npermalink: {pattern}\n"
    text = "---\ntitle: A\ncategories: [Big-News]\ndate: 2018-07-01 09:00:00 -0800\n---\n"
    site = make(tmp_path, {"newsletter.toml": "", "_config.yml": config, "_posts/2018-07-03-My-trip.md": text})
    assert page_of(site, "_posts/2018-07-03-My-trip.md").url == "https://example.org" + path


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("_posts/2018-07-03-first.md", "https://example.org/log/news/2018/first/"),
        ("_posts/guest/2020-02-29-third.md", "https://example.org/log/third.html"),
        ("_guides/start/here.md", "https://example.org/log/guides/start/here/"),
        ("about.md", "https://example.org/log/about/"),
        ("_drafts/soon.md", ""),
    ],
)
def test_each_kind_of_jekyll_page_has_its_place(jekyll, name, url):
    assert page_of(jekyll, name).url == url


def test_a_slug_ends_with_no_dot_in_jekyll(tmp_path):
    site = make(tmp_path, {**JEKYLL, "_posts/2018-07-04-.Net-4-years-later..md": "Later.\n"})
    assert page_of(site, "_posts/2018-07-04-.Net-4-years-later..md").path == "/2018/.Net-4-years-later/"


def test_folders_above_posts_are_categories(tmp_path):
    site = make(tmp_path, {**JEKYLL, "trips/_posts/2018-07-03-rome.md": "Rome.\n"})
    assert page_of(site, "trips/_posts/2018-07-03-rome.md").url == "https://example.org/log/trips/2018/rome/"
    assert site.root / "trips/_posts" in site.post_folders


def test_the_sites_timezone_decides_the_day(tmp_path):
    config = "url: https://example.org\ntimezone: Asia/Tokyo\npermalink: /:month/:day/:title\n"
    text = "---\ndate: 2018-07-01 20:00:00 +0000\n---\n"
    site = make(tmp_path, {"newsletter.toml": "", "_config.yml": config, "_posts/2018-07-01-a.md": text})
    assert page_of(site, "_posts/2018-07-01-a.md").url == "https://example.org/07/02/a"


def test_a_jekyll_site_without_a_timezone_is_built_in_utc(tmp_path):
    config = "url: https://example.org\npermalink: /:month/:day/:title\n"
    text = "---\ndate: 2018-07-01 20:00:00 -0800\n---\n"
    site = make(tmp_path, {"newsletter.toml": "", "_config.yml": config, "_posts/2018-07-01-a.md": text})
    assert page_of(site, "_posts/2018-07-01-a.md").url == "https://example.org/07/02/a"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("content/posts/2024-05-06-hello.md", "https://example.org/h/posts/2024-05-06-hello/"),
        ("content/posts/trip/index.md", "https://example.org/h/posts/trip/"),
        ("content/notes/n.md", "https://example.org/h/2024/12/a-note-really/"),  # though in Paris it is the next year
    ],
)
def test_hugos_permalinks(hugo, name, url):
    assert page_of(hugo, name).url == url


@pytest.mark.parametrize(
    ("front", "url"),
    [
        ("slug: other", "/posts/other/"),
        ("url: /over/there/", "/over/there/"),
        ("url: https://example.com/x", None),
        ("url: /over/there", "/over/there/"),
        ("url: over/a b", "/over/a%20b/"),
        ("url: /a.html", "/a.html"),
    ],
)
def test_a_hugo_page_may_name_its_place(hugo, front, url):
    page = page_of(hugo, "content/posts/p.md", f"---\n{front}\n---\n")
    assert page.url == ("https://example.org/h" + url if url else "https://example.com/x")


@pytest.mark.parametrize(
    ("pattern", "title", "path"),
    [
        ("/:year/:title/", "What's new in C++ & Node.js 20?", "/2026/whats-new-in-c-node.js-20/"),
        ("/:year/:title/", "A  &  B -- C - D—E!", "/2026/a-b--c-de/"),
        ("/:title/", "Notes on C#", "/notes-on-c/"),
        ("/:title/", "हिन्दी शीर्षक", "/%E0%A4%B9%E0%A4%BF%E0%A4%A8%E0%A5%8D%E0%A4%A6%E0%A5%80-%E0%A4%B6%E0%A5%80%E0%A4%B0%E0%A5%8D%E0%A4%B7%E0%A4%95/"),
        ("/:slug/", "%e2%80%93-arabisk-f%c3%b8rde", "/-arabisk-f%C3%B8rde/"),
        ("/:sections/:filename/", "T", "/posts/its-x/"),
        ("", "T", "/posts/sub-dir-x/its-x/"),
    ],
)  # fmt: skip
def test_hugos_addresses_keep_letters_marks_digits_and_few_signs(tmp_path, pattern, title, path):
    config = f'baseURL = "https://example.org/"\n[permalinks]\nposts = "{pattern}"\n'
    name = "content/posts/Sub Dir & X/It's (x).md"
    slug = f'slug: "{title}"\n' if "%" in title else ""
    site = make(tmp_path, {"newsletter.toml": "", "hugo.toml": config})
    page = page_of(site, name, f'---\ntitle: "{title}"\n{slug}date: 2026-05-04\n---\nx\n')
    assert page.path == path


def test_a_hugo_site_of_several_languages(tmp_path):
    site = make(tmp_path, {
        "newsletter.toml": "",
        "config/_default/hugo.toml": (
            'baseURL = "https://example.org/"\ntitle = "All"\ndefaultContentLanguage = "en"\n'
            "defaultContentLanguageInSubdir = true\n[uglyURLs]\npost = true\n"
        ),
        "config/_default/languages.en.toml": 'title = "English"\ncontentDir = "content/en"\n',
        "config/_default/languages.de.toml": 'contentDir = "content/de"\n',
        "content/en/post/a.md": "A.\n", "content/en/about/b.md": "B.\n", "content/de/post/a.md": "A.\n",
    })  # fmt: skip
    assert site.title == "English"
    assert site.post_folders[0] == tmp_path / "content/en/post"
    assert page_of(site, "content/en/post/a.md").url == "https://example.org/en/post/a.html"
    assert page_of(site, "content/en/about/b.md").url == "https://example.org/en/about/b/"
    assert page_of(site, "content/en/post/a.md", "---\nurl: c\n---\n").url == "https://example.org/en/c/"
    assert page_of(site, "content/en/post/a.md", "---\nurl: /c\n---\n").url == "https://example.org/c/"


def test_hugos_configuration_in_a_folder(tmp_path):
    site = make(tmp_path, {
        "newsletter.toml": "", "config/_default/config.yaml": "baseURL: https://example.org/\ntitle: F\n",
        "config/_default/params.toml": "mainSections = ['notes']\n", "config/_default/permalinks.toml": "notes = '/n/:filename/'\n",
        "content/notes/a.md": "A.\n",
    })  # fmt: skip
    assert (site.kind, site.title, [folder.name for folder in site.post_folders]) == ("hugo", "F", ["notes"])
    assert page_of(site, "content/notes/a.md").url == "https://example.org/n/a/"


@pytest.mark.parametrize(
    ("name", "author", "image"),
    [
        ("_posts/2018-07-03-first.md", Author("Ben Okri"), "https://example.org/log/assets/all.png"),
        ("_posts/2019-01-02-second-one.md", Author("Ada Moreau", "https://example.org/log/assets/ada.jpg"), "https://example.org/log/assets/all.png"),
        ("_posts/guest/2020-02-29-third.md", Author("guest"), "https://example.org/log/assets/guest.png"),
        ("about.md", Author("Ada Moreau", "https://example.org/log/assets/ada.jpg"), "https://example.org/log/assets/all.png"),
    ],
)  # fmt: skip
def test_authors_and_images_come_from_the_post_the_defaults_or_the_site(jekyll, name, author, image):
    page = page_of(jekyll, name)
    assert page.author == author
    assert page.image == image


@pytest.mark.parametrize(
    ("front", "author"),
    [
        ("author: ADA", Author("Ada Moreau", "https://example.org/log/assets/ada.jpg")),
        ("author: Eve", Author("Eve")),
        ("author: Moreau, Ada", Author("Moreau, Ada")),
        ("author: Eve <eve@example.org>", Author("Eve")),
        ('author: "[Eve](https://example.org/eve), [Kim](/kim)"', Author("Eve, Kim")),
        ("authors: [ada, ben]", Author("Ada Moreau and Ben Okri", "https://example.org/log/assets/ada.jpg")),
        ("author: {name: Eve, picture: e.png}", Author("Eve", "https://example.org/log/e.png")),
        ("author: Eve\npicture: /e.png", Author("Eve", "https://example.org/log/e.png")),
    ],
)
def test_an_author_is_a_key_or_a_name(jekyll, front, author):
    assert page_of(jekyll, "_posts/2020-01-01-x.md", f"---\n{front}\n---\n").author == author


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/assets/a.png", "https://example.org/log/assets/a.png"),
        ("/log/assets/a.png", "https://example.org/log/assets/a.png"),
        ("/logbook/a.png", "https://example.org/log/logbook/a.png"),
        ("a b.png", "https://example.org/log/news/2018/first/a%20b.png"),
        ("été.png?x=1#y", "https://example.org/log/news/2018/first/%C3%A9t%C3%A9.png?x=1#y"),
        ("../x/", "https://example.org/log/news/2018/x/"),
        ("?page=2", "https://example.org/log/news/2018/first/?page=2"),
        ("/", "https://example.org/log/"),
        ("//cdn.example.com/a.js", "https://cdn.example.com/a.js"),
        ("http://example.com/a", "http://example.com/a"),
        ("mailto:a@example.org", "mailto:a@example.org"),
        ("cid:part1", "cid:part1"),
        ("#fn-1", "#fn-1"),
        ("", ""),
        ("2019-01-02-second-one.md#x", "https://example.org/log/2019/second-one/#x"),
        ("missing.md", "https://example.org/log/news/2018/first/missing.md"),
        ("/u/slot0123456789abn0z?x", "https://example.org/log/u/slot0123456789abn0z?x"),
    ],
)
def test_addresses_become_absolute(jekyll, written, meant):
    assert page_of(jekyll, "_posts/2018-07-03-first.md").absolute(written) == meant


def test_without_an_address_of_the_site_links_stay(tmp_path):
    site = make(tmp_path, {**PLAIN, "newsletter.toml": ""})
    page = page_of(site, "posts/2026-05-04-hello.md")
    assert (page.url, page.absolute("/a.png")) == ("", "/a.png")


def test_a_broken_configuration_is_told_with_its_line(tmp_path):
    with pytest.raises(NewsletterError) as caught:
        make(tmp_path, {**JEKYLL, "_config.yml": "title: A\nurl: [\n"})
    assert (caught.value.line, caught.value.path) == (2, str((tmp_path / "_config.yml").resolve()))


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "link/passwd", "a/../../b", "loop", "x\0"])
def test_paths_stay_inside(tmp_path, path):
    root = tmp_path / "site"
    root.mkdir()
    (root / "link").symlink_to("/etc")
    (root / "loop").symlink_to(root / "loop")
    with pytest.raises(NewsletterError, match="leads out of"):
        inside(root, path)


def test_a_link_inside_the_site_is_followed(tmp_path):
    (tmp_path / "a.md").write_text("x")
    (tmp_path / "b.md").symlink_to(tmp_path / "a.md")
    assert inside(tmp_path, "b.md") == (tmp_path / "a.md").resolve()
    assert inside(tmp_path, "new/../c.md") == tmp_path.resolve() / "c.md"


def test_a_posts_folder_outside_is_refused(tmp_path):
    config = write(tmp_path, {**PLAIN, "newsletter.toml": '[posts]\ndir = "../elsewhere"\n'})
    with pytest.raises(NewsletterError, match="leads out of"):
        load_site(config)


def test_posts_are_found_newest_first_drafts_before_them(tmp_path):
    config = write(tmp_path, {**JEKYLL, "_posts/README.md": "x", "_posts/2021-01-01-broken.md": "---\ntitle: [\n"})
    (tmp_path / "_posts/2022-01-01-out.md").symlink_to("/etc/hostname")
    found = [path.name for path in find_posts(config, load_site(config))]
    assert found == [
        "soon.md",
        "2021-01-01-broken.md",
        "2020-02-29-third.md",
        "2019-01-02-second-one.md",
        "2018-07-03-first.md",
    ]


def test_no_posts_folder_means_no_posts(tmp_path):
    config = write(tmp_path, {"newsletter.toml": ""})
    assert find_posts(config, load_site(config)) == []


def test_a_site_is_detected_for_init(tmp_path):
    write(tmp_path / "j", JEKYLL)
    write(tmp_path / "h", HUGO)
    write(tmp_path / "p", PLAIN)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert detect_site(tmp_path / "j") == DetectedSite(
        "jekyll", "The Log", "https://example.org/log", "Ada Moreau <log@example.org>", "fr", "_posts", "/:categories/:year/:title/"
    )  # fmt: skip
    assert detect_site(tmp_path / "h") == DetectedSite(
        "hugo", "The Hugo Log", "https://example.org/h", "Ada Moreau <ada@example.org>", "en", "content/posts", ""
    )
    assert detect_site(tmp_path / "p") is None
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    ("config", "cname", "url"),
    [
        ("title: A", "log.example.org\n", "https://log.example.org"),
        ("url: https://example.org\nbaseurl: /x", "log.example.org\n", "https://example.org/x"),
        ("title: A", "not a domain", ""),
    ],
)
def test_a_jekyll_site_without_an_address_is_at_its_cname(tmp_path, config, cname, url):
    site = make(tmp_path, {"newsletter.toml": "", "_config.yml": config, "_posts/2018-07-03-a.md": "", "CNAME": cname})
    assert site.url == url


def test_a_jekyll_site_needs_no_configuration(tmp_path):
    site = make(tmp_path, {"newsletter.toml": "", "_posts/2018-07-03-a.md": "A.\n", "_layouts/post.html": ""})
    assert site.kind == "jekyll"
    assert os.path.basename(site.post_folders[0]) == "_posts"


def test_hugos_default_language_is_english(tmp_path):
    config = {
        "newsletter.toml": "",
        "hugo.yaml": "baseURL: https://example.org/\nlanguages:\n  en:\n    title: My blog\n    contentDir: content/en\n",
        "content/en/blog/hi.md": "---\ntitle: Hi\ndate: 2026-01-02\n---\nBody.\n",
    }
    site = make(tmp_path, config)
    assert (site.title, site.language) == ("My blog", "en")
    assert page_of(site, "content/en/blog/hi.md").url == "https://example.org/blog/hi/"


def test_a_folder_with_an_index_is_a_post_of_the_folders_name(tmp_path):
    site = make(tmp_path, PLAIN)
    page = page_of(site, "posts/trip/index.md", "---\ntitle: Trip\n---\nWords.\n")
    assert page.url == "https://example.org/x/trip/"


def test_a_folder_of_posts_may_be_a_link_to_elsewhere(tmp_path):
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault/2026-05-04-hello.md").write_text("---\ntitle: Hello\n---\nHello.\n")
    (tmp_path / "news").mkdir()
    (tmp_path / "news/posts").symlink_to(tmp_path / "vault")
    config = write(tmp_path / "news", {"newsletter.toml": ""})
    site = load_site(config)
    assert [post.name for post in find_posts(config, site)] == ["2026-05-04-hello.md"]


def test_jekyll_and_hugo_publish_posts_of_html(tmp_path):
    files = {**JEKYLL, "_posts/2021-01-01-page.html": "---\ntitle: Page\n---\n<p>Hi</p>\n"}
    config = write(tmp_path, files)
    assert "2021-01-01-page.html" in [post.name for post in find_posts(config, load_site(config))]


@pytest.mark.parametrize(
    ("name", "url"),
    [("about.md", "/log/about.html"), ("team/index.md", "/log/team/"), ("team/ada.md", "/log/team/ada.html")],
)
def test_a_jekyll_page_stands_where_jekyll_puts_it(tmp_path, name, url):
    site = make(tmp_path, {**JEKYLL, "_config.yml": "url: https://example.org\nbaseurl: /log\n"})
    assert page_of(site, name, "---\ntitle: T\n---\nT.\n").url == "https://example.org" + url
