"""Small sites for the tests of `site`, `liquid` and `markdown`, written for them."""

# ruff: noqa: E501 (a case a line)

from dataclasses import replace
from pathlib import Path
from typing import Any

from newsletter.config.settings import Config, load_config
from newsletter.site.load import load_site
from newsletter.site.page import Page, read_page, resolve
from newsletter.site.site import Site

JEKYLL = {
    "newsletter.toml": '[newsletter]\nauthor = "Ada Moreau <ada@example.org>"\n',
    "_config.yml": """
title: The Log
url: https://example.org
baseurl: /log
permalink: /:categories/:year/:title/
author: ada
image: /assets/hero.png
email: log@example.org
lang: fr
collections:
  guides:
    output: true
defaults:
  - scope: {path: ""}
    values: {image: /assets/all.png}
  - scope: {path: "", type: posts}
    values: {author: ben}
  - scope: {path: _posts/guest}
    values: {author: guest, image: /assets/guest.png}
""",
    "_data/authors.yml": "ada: {name: Ada Moreau, picture: /assets/ada.jpg}\nben: {name: Ben Okri}\n",
    "_data/deep/list.json": '[{"n": 1}, {"n": 2}]',
    "_data/table.csv": "name,age\nAda,36\nBen,40\n",
    "_data/versions.yml": "[{name: '2.10.1', n: [2, 10, 1]}, {name: '2.9', n: [2, 9]}, {name: '2.10', n: [2, 10]}]\n",
    "_data/broken.yml": "a: [",
    "_includes/box.html": "<b>{{ include.text }} {{ include.page }}</b>",
    "_includes/loop.html": "{% include loop.html %}",
    "_includes/bad.html": "one\n{{ x | nonsense }}\n",
    "_posts/2018-07-03-first.md": "---\ntitle: First\ncategories: News\ndate: 2018-07-01 09:00:00 -0800\n---\nOne.\n",
    "_posts/2019-01-02-second-one.md": "---\ntitle: Second\nauthor: ada\ntags: [a, b]\n---\n[first](2018-07-03-first.md)\n",
    "_posts/guest/2020-02-29-third.md": "---\ntitle: Third\npermalink: /third.html\n---\nThree.\n",
    "_drafts/soon.md": "Soon.\n",
    "_guides/start/here.md": "---\ntitle: Here\n---\nHere.\n",
    "about.md": "---\ntitle: About\n---\nAbout.\n",
    "assets/hero.png": "",
}

HUGO = {
    "newsletter.toml": "",
    "hugo.toml": """
baseURL = "https://example.org/h/"
title = "The Hugo Log"
defaultContentLanguage = "en"
timeZone = "Europe/Paris"
[params]
mainSections = ["posts"]
images = ["/hero.png"]
[params.author]
name = "Ada Moreau"
email = "ada@example.org"
[permalinks]
notes = "/:year/:month/:slug/"
""",
    "content/posts/2024-05-06-hello.md": "+++\ntitle = 'Hello'\ndate = 2024-05-06T08:00:00\n+++\nHello.\n",
    "content/posts/trip/index.md": "---\ntitle: A Trip\ndate: 2024-06-01\n---\n![x](x.png)\n",
    "content/posts/_index.md": "---\ntitle: Posts\n---\n",
    "content/notes/n.md": "---\ntitle: A Note, Really!\ndate: 2024-12-31 23:30:00 +0000\n---\nNote.\n",
    "layouts/shortcodes/loud.html": "<b>{{ .Get 0 }}</b>{{ .Inner | markdownify }}",
    "layouts/shortcodes/clever.html": "{{ range .Site.Pages }}x{{ end }}",
}

PLAIN = {
    "newsletter.toml": '[newsletter]\nauthor = "Ada Moreau <ada@example.org>"\nurl = "https://example.org/x/"\ntitle = "X"\n',
    "posts/2026-05-04-hello.md": "---\ntitle: Hello\n---\nHello.\n",
    "posts/images/a.png": "",
}


def write(root: Path, files: dict[str, str]) -> Config:
    """The files, and the configuration that stands among them."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return load_config(root / "newsletter.toml")


def make(root: Path, files: dict[str, str]) -> Site:
    return load_site(write(root, files))


def page_of(site: Site, name: str, text: str | None = None, **changed: Any) -> Page:
    """The post `name` of the site, with `text` when given, resolved; `changed` are fields of the post."""
    path = site.root / name
    if text is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return resolve(replace(read_page(path, site).post, **changed), site)
