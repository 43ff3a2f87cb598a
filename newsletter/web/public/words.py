"""The words of the public pages and of the mails that they owe: a file a language in `words/`, with the same keys."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "words"
LANGUAGES = tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


class Words:
    """One language's words: `words("signup.title", title="The Long View")`."""

    def __init__(self, language: str, texts: Mapping[str, Mapping[str, str]]) -> None:
        self.language = language
        self._texts = texts

    def __call__(self, key: str, **values: str) -> str:
        """The text of `section.name`, its {names} filled in; values are data and are not looked into."""
        section, _, name = key.partition(".")
        return self._texts[section][name].format_map(values)


@cache
def words_in(language: str) -> Words:
    """The words in a language, such as `pt-BR`; English where there are none."""
    base = language.lower().replace("_", "-").partition("-")[0]
    chosen = base if base in LANGUAGES else "en"
    return Words(chosen, read_words(chosen))


def read_words(language: str) -> dict[str, dict[str, str]]:
    """A language's file, by section and name."""
    return tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
