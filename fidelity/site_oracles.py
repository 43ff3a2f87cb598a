"""Whole sites built by Jekyll and Hugo: each post's address, title, date and HTML, without its site's layouts.

Posts of plain folders are read by cmark-gfm. A site's own code is not run: no plugin, no theme but its
shortcodes, nothing from the network. What can't be built so is left out and said: a post that needs a plugin's tag, or
a shortcode of a module that isn't there.
"""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fidelity.oracles import CmarkOracle
from newsletter.site import hugo
from newsletter.site.post import Post

HERE = Path(__file__).parent
ADDRESS = "https://blog.example.org"
"""The address of a site that has none."""
_STUB = "stubofashortcode"
_TRIES = 400
_PAGE = (
    '{{ define "x" }}{{ end }}{{ dict "path" .File.Filename "url" .RelPermalink "title" .Title '
    '"date" (cond .Date.IsZero "" ((.Date.UTC).Format "2006-01-02T15:04:05Z")) "html" (string .Content) | jsonify }}'
)
_LEFT = {"theme", "module", "outputs", "disablekinds", "security", "minify", "build",
         "publishdir", "enablegitinfo", "resourcedir", "caches", "related", "sitemap", "imaging"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Built:
    """A post as its generator publishes it; `error` where it can't be built without what isn't run."""

    path: Path
    url: str  # of the page, under the site's address
    title: str
    date: str  # in UTC; empty where there is none
    html: str
    error: str = ""


def build_jekyll(root: Path, seconds: float) -> list[Built]:
    """The posts of the Jekyll site in `root`."""
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(
            ["ruby", str(HERE / "jekyll_site.rb"), str(root), folder, ADDRESS], capture_output=True, text=True,
            timeout=seconds,
        )  # fmt: skip
    if made.returncode:
        raise RuntimeError(made.stderr[-2000:])
    found = [json.loads(line) for line in made.stdout.split("\n") if line.startswith("{")]
    return [
        Built(Path(one["path"]), one["url"], one["title"], one["date"], one.get("html", ""), one.get("error", ""))
        for one in found
    ]


def build_plain(posts: Sequence[Post]) -> list[Built]:
    """Posts of a plain folder, whose addresses and dates are nobody's but ours."""
    return [
        Built(post.path, "", "", "", html)
        for post, html in zip(posts, CmarkOracle()([post.body for post in posts]), strict=True)
    ]


def build_hugo(root: Path, seconds: float) -> list[Built]:
    """The pages of the Hugo site in `root`, those of its default language."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        failed = _copy(root, copy)
        for _ in range(_TRIES):
            made = subprocess.run(
                ["hugo", "--buildFuture", "--buildExpired", "-d", "made"], cwd=copy, capture_output=True,
                text=True, timeout=seconds,
            )  # fmt: skip
            if made.returncode == 0:
                break
            _mend(copy, made.stderr + made.stdout, failed)
        else:
            raise RuntimeError(made.stderr[-2000:])
        found = []
        for page in sorted((copy / "made").rglob("*")):
            if page.suffix in {".html", ""} and page.is_file():
                text = page.read_text(encoding="utf-8", errors="replace")
                if text.startswith('{"date"'):
                    one = json.loads(text)
                    path = root / Path(one["path"]).relative_to(copy.resolve())
                    error = "a shortcode isn't there" if _STUB in one["html"] else ""
                    found.append(Built(path, one["url"], one["title"], one["date"], one["html"], error))
        return found + [Built(root / path, "", "", "", "", error) for path, error in failed.items()]


def _copy(root: Path, copy: Path) -> dict[str, str]:
    """Content, data and shortcodes of the site in `root` copied, with layouts that write what Hugo knows of a page."""
    path = hugo.find_hugo(root)
    assert path is not None
    config = hugo.read_config(path)
    content = hugo.content_folder(root, config)
    for name in {"content", "data", "i18n", content.relative_to(root).parts[0]}:
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore_dangling_symlinks=True, symlinks=False)
    for theme in [*sorted((root / "themes").glob("*")), root]:
        for name in ("shortcodes", "partials"):
            if (theme / "layouts" / name).is_dir():
                shutil.copytree(theme / "layouts" / name, copy / "layouts" / name, dirs_exist_ok=True)
        for name in ("data", "i18n"):
            if theme != root and (theme / name).is_dir():
                shutil.copytree(theme / name, copy / name, dirs_exist_ok=True)
    kept = {key: value for key, value in config.items() if key not in _LEFT}
    if not str(kept.get("baseurl") or "").startswith("http"):
        kept["baseurl"] = ADDRESS + "/"
    kept |= {
        "ignoreErrors": ["error-missing-instagram-accesstoken", "error-remote-getjson", "error-disqus"],
        "disableKinds": ["home", "section", "taxonomy", "term", "sitemap", "robotsTXT", "404"],
        "security": {"http": {"urls": ["none"]}, "exec": {"allow": ["none"]}},
        "timeout": "300s",
        "publishDir": "made",
    }
    if isinstance(patterns := kept.get("permalinks"), dict):  # 0.111 knows no kinds of pages
        pages = patterns.get("page")
        flat = {**patterns, **(pages if isinstance(pages, dict) else {})}
        kept["permalinks"] = {name: value for name, value in flat.items() if isinstance(value, str)}
    markup = kept["markup"] = dict(kept.get("markup") or {})
    markup["highlight"] = {"codeFences": False}  # code is compared by its text
    markup.pop("defaultMarkdownHandler", None)  # goldmark, as in any Hugo of today
    parser = hugo.setting(markup, "goldmark", "parser", default={})
    if isinstance(parser, dict):  # a picture alone stands in a paragraph of ours, which no reader sees
        parser.pop("wrapStandAloneImageWithinParagraph", None)
    own = hugo.setting(markup, "goldmark", "extensions", default={})
    if isinstance(own, dict) and isinstance(own.get("typographer"), dict):  # 0.111 knows no more than on and off
        own["typographer"] = not own["typographer"].get("disable")
    (copy / "hugo.json").write_text(json.dumps(kept, default=str))
    (copy / "layouts/_default").mkdir(parents=True, exist_ok=True)
    (copy / "layouts/_default/single.html").write_text(_PAGE)
    return {}


def _mend(copy: Path, said: str, failed: dict[str, str]) -> None:
    """Put a stub in the place of what isn't there or fails, a form of output or a shortcode; leave out pages that can't
    be built."""
    if formats := re.findall(r'OutputFormat with key "([^"]+)" not found', said):
        config = json.loads((copy / "hugo.json").read_text())
        own = {name: {"mediaType": "text/plain"} for name in formats}
        (copy / "hugo.json").write_text(
            json.dumps({**config, "outputFormats": {**config.get("outputFormats", {}), **own}})
        )
        return
    if missing := re.findall(r'template for shortcode "([^"]+)" not found', said):
        for name in missing:
            place = copy / f"layouts/shortcodes/{name}.html"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{_STUB}{{{{ with .Inner }}}}{{{{ end }}}}")
        return
    if alone := re.findall(r'shortcode "([^"]+)" must be closed', said):
        for name in alone:
            (copy / f"layouts/shortcodes/{name}.html").write_text(_STUB)
        return
    if wrong := re.findall(r'"[^"]*?layouts/(shortcodes/[^":]+\.html)', said) or re.findall(
        r"<(shortcodes/[^>:]+?)(?:\.html)?:", said
    ):
        for name in wrong:
            place = copy / "layouts" / (name if name.endswith(".html") else name + ".html")
            place.write_text(_STUB)
        return
    pages = re.findall(rf'({re.escape(str(copy.resolve()))}/content/[^":]+\.(?:md|markdown|html))', said)
    if not pages:
        raise RuntimeError("\n".join(line for line in said.splitlines() if not line.startswith("WARN"))[-3000:])
    for page in pages:
        if Path(page).exists():
            failed[str(Path(page).relative_to(copy.resolve()))] = said.strip()[:200]
            Path(page).unlink()
