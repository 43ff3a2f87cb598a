"""What a relay calls a message that it has taken, in the text of its 250: by this name its webhooks speak of it.

No standard gives it a place. Postfix and those after it write "queued as ID", Exim "id=ID", Amazon SES the id alone.
"""

import re

_NAMED = re.compile(r"\b(?:queued as\s|(?:message[- ])?id\s*[=:])\s*[<\[\"]?([^\s<>\[\]\"';,]+)", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"<([^\s<>]+@[^\s<>]+)>")
_ALONE = re.compile(r"(?<![\w@.-])(?=[\w-]*\d)([A-Za-z0-9][\w-]{9,})(?![\w@.-])")


def provider_id(text: str) -> str:
    """The id in the text of a 2xx reply, without brackets; empty where there is none."""
    if found := _NAMED.search(text) or _IN_BRACKETS.search(text):
        return found[1].rstrip(".)")
    return max(_ALONE.findall(text), key=len, default="")


def is_same_id(text: str, told: str) -> bool:
    """Whether a reply's text names the message that a webhook tells of; case and brackets don't count."""
    return bool(told.strip("<>")) and provider_id(text).lower() == told.strip("<>").lower()
