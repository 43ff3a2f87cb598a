"""What a Hugo site says about itself: its configuration, permalinks, authors, and where its posts are.

Reads, never writes. Keys of the configuration are looked up in lower case, because Hugo doesn't tell cases apart.
What follows from it for a post is `page`'s business.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from newsletter.site.formats import read_json, read_toml, read_yaml_mapping
from newsletter.site.front_matter import split_front_matter
from newsletter.site.jekyll import MARKDOWN, POSTS
from newsletter.site.paths import is_inside
from newsletter.site.post import read_text

_NAMES = ("hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json", "config.toml", "config.yaml", "config.yml", "config.json")
_SIGNS = ("content", "archetypes", "themes", "layouts")
_TARGETS = ("target", "_target")
_USUAL = ("posts", "post", "blog", "articles", "news")


def find_hugo(root: Path) -> Path | None:
    """The configuration (a file, or the folder config/_default) of a Hugo site in `root`, if there is one."""
    for name in _NAMES:
        if (root / name).is_file() and (name.startswith("hugo") or any((root / sign).is_dir() for sign in _SIGNS)):
            return root / name
    folder = root / "config" / "_default"
    return folder if any((folder / name).is_file() for name in _NAMES) else None


def read_config(path: Path) -> dict[str, Any]:
    """The configuration with its top-level keys in lower case; of a folder, params.toml is `params` and so on."""
    if path.is_dir():
        config: dict[str, Any] = {}
        for file in sorted(path.iterdir()):
            if file.suffix not in {".toml", ".yaml", ".yml", ".json"} or not file.is_file():
                continue
            table = _read(file)
            if file.stem in {"hugo", "config"}:
                config = {**table, **{key: value for key, value in config.items() if key not in table}}
            else:  # `languages.en.toml` is `en` of `languages`
                name, _, language = file.stem.lower().partition(".")
                if not language:
                    config[name] = {**table, **config.get(name, {})}
                elif name == "languages":
                    config.setdefault(name, {})[language] = table
    else:
        config = _read(path)
    return {key.lower(): value for key, value in config.items()}


def content_folder(root: Path, config: Mapping[str, Any]) -> Path:
    """Where the pages are; of several languages, those of the default one."""
    own = own_language(config)
    return root / str(own.get("contentDir") or own.get("contentdir") or config.get("contentdir") or "content")


def own_language(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the configuration says of the default language, where there are several."""
    languages = config.get("languages")
    named = {str(key).lower(): value for key, value in languages.items()} if isinstance(languages, dict) else {}
    own = named.get(language_key(config).lower())
    return own if isinstance(own, dict) else {}


def language_key(config: Mapping[str, Any]) -> str:
    """The key of the default language, which is English where nothing else is said."""
    return str(config.get("defaultcontentlanguage") or "en")


def language_of(config: Mapping[str, Any]) -> str:
    """The language that the default one's pages say they are in, or empty where nothing says it."""
    own = setting(own_language(config), "languageCode", default="") or setting(
        own_language(config), "locale", default=""
    )
    known = config.get("languagecode") or config.get("locale") or config.get("defaultcontentlanguage")
    return str(own or known or (language_key(config) if own_language(config) else ""))


def post_folders(root: Path, config: Mapping[str, Any]) -> tuple[Path, ...]:
    """The sections that hold posts: `mainSections`, else those of a usual name, else the one with most pages."""
    content = content_folder(root, config)
    params = params_of(config)
    named = next((value for key, value in params.items() if key.lower() == "mainsections"), config.get("mainsections"))
    names = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    for group in ([str(name) for name in names], _USUAL):
        found = tuple(content / name for name in group if (content / name).is_dir() and ".." not in Path(name).parts)
        if found:
            return found
    if not content.is_dir():
        return ()
    pages = (path.relative_to(content).parts for path in content.rglob("*") if path.suffix in MARKDOWN)
    sizes = Counter(parts[0] for parts in pages if len(parts) > 1 and (content / parts[0]).is_dir())
    return (content / sizes.most_common(1)[0][0],) if sizes else (content,)


def pattern_for(relative: PurePosixPath, config: Mapping[str, Any]) -> str:
    """The permalink pattern for a page of the content folder; empty where it follows its folders."""
    section = relative.parts[0] if len(relative.parts) > 1 else ""
    patterns = config.get("permalinks")
    if not isinstance(patterns, dict):
        return ""
    pages = patterns.get("page")
    for table in (pages, patterns):
        if isinstance(table, dict) and isinstance(table.get(section), str):
            return str(table[section])
    return ""


def sections_of(place: PurePosixPath, content: Path) -> list[str]:
    """The names of the folders above a page that are sections: the first one, and those that have an `_index` page."""
    folders = [folder for folder in reversed(place.parents) if folder.parts]
    if place.stem == "index":
        folders = folders[:-1]
    return [
        folder.name
        for folder in folders
        if len(folder.parts) == 1 or any(path.suffix in POSTS for path in (content / folder).glob("_index.*"))
    ]


def cascades(
    root: Path, config: Mapping[str, Any], config_path: Path, file: PurePosixPath
) -> Iterator[tuple[dict[str, Any], Path]]:
    """What `cascade` gives a page, and the file that says so, the weakest first: configuration, then each section."""
    content = content_folder(root, config)
    try:
        place = PurePosixPath((root / file).relative_to(content).as_posix())
    except ValueError:
        return
    path = "/" + str(place.parent if place.stem == "index" else place.with_suffix("")).lower()
    sources: list[tuple[Any, Path]] = [(config.get("cascade"), config_path)]
    for folder in (content, *(content / above for above in reversed(place.parents) if above.parts)):
        for index in sorted(folder.glob("_index.*")):
            if index.suffix in POSTS and is_inside(root, index):
                sources.append(
                    (setting(split_front_matter(read_text(index), index).data, "cascade", default=None), index)
                )
    for cascade, source in sources:
        for entry in cascade if isinstance(cascade, list) else [cascade]:
            if isinstance(entry, dict) and _is_for(entry, path):
                yield {str(key): value for key, value in entry.items() if str(key).lower() not in _TARGETS}, source


def _is_for(entry: Mapping[str, Any], path: str) -> bool:
    """Whether a cascade means the page at `path` of the content folder."""
    for name in _TARGETS:
        target = setting(entry, name, default=None)
        kind = str(setting(target, "kind", default="page")).lower()
        pattern = str(setting(target, "path", default="/**")).lower()
        if not _glob(kind).fullmatch("page") or not _glob(pattern).fullmatch(path):
            return False
    return True


def _glob(pattern: str) -> re.Pattern[str]:
    """Hugo's globs: `**` is any path, `*` a part of a name, `{a,b}` either."""
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    return re.compile("".join(words.get(part) or re.escape(part) for part in re.findall(r"\*\*|.", pattern)))


def setting(config: object, *path: str, default: object) -> object:
    """The value at `path` of the configuration, whose keys have no case; `default` where it says nothing."""
    for name in path:
        found = config if isinstance(config, Mapping) else {}
        config = next((value for key, value in found.items() if str(key).lower() == name.lower()), None)
    return default if config is None else config


def params_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """`[params]`, or an empty mapping."""
    params = config.get("params")
    return params if isinstance(params, dict) else {}


def read_authors(root: Path, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Who writes, by key: pages of content/authors/, and `[params.authors]`."""
    people: dict[str, dict[str, Any]] = {}
    own = params_of(config).get("authors")
    for key, person in own.items() if isinstance(own, dict) else ():
        people[str(key)] = person if isinstance(person, dict) else {"name": str(person)}
    content = content_folder(root, config)
    for pattern in ("authors/*.md", "authors/*/_index.md", "authors/*/index.md"):
        for path in sorted(content.glob(pattern)):
            key = path.parent.name if path.stem in {"index", "_index"} else path.stem
            if key not in {"authors", "_index"} and is_inside(root, path):
                person = split_front_matter(read_text(path), path).data
                people[key] = {**person, "name": person.get("name") or person.get("title") or key}
    return people


def _read(path: Path) -> dict[str, Any]:
    text = read_text(path)
    if path.suffix == ".toml":
        return read_toml(text, path)
    if path.suffix == ".json":
        data = read_json(text, path)
        return data if isinstance(data, dict) else {}
    return read_yaml_mapping(text, path, most=200_000)[0]
