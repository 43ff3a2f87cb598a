"""What a slot's token looks like: the word that stands for it until slots are cut out.

ASCII letters and digits, so that no parser of HTML, Markdown or CSS takes it apart. Who works on text with tokens in it
leaves them whole; `slots` makes and reads them.
"""

import hashlib
import re


def mark_of(seed: str) -> str:
    """What the tokens of one issue begin with; `seed` keeps them apart from anything an author could have written."""
    return "slot" + hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest()[:12]


def token(mark: str, number: int) -> str:
    """The token of the slot `number`."""
    return f"{mark}n{number}z"


def tokens_of(mark: str) -> str:
    """A pattern, without groups, of all tokens that begin with `mark`, which is a pattern too."""
    return rf"{mark}n\d+z"


def number_of(word: str) -> int:
    """The number of the slot that the token `word` stands for."""
    return int(word.rpartition("n")[2].removesuffix("z"))


TOKEN = re.compile(tokens_of("slot[0-9a-f]{12}"))
TOKENS_ONLY = re.compile(rf"(?:\s*{TOKEN.pattern})+\s*\Z")
