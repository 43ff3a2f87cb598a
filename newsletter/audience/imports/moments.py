"""Moments as exports write them: ISO 8601 and its cousins. Without an offset they are UTC, as most houses mean them."""

import re
from datetime import UTC, datetime

_ZONE = re.compile(r"\s*(?:Z|UTC|GMT|\+0000(?: UTC)?)$")


def read_moment(text: str, *, day_first: bool = False) -> datetime | None:
    """`2021-03-02 10:11:12`, `2023-01-01T00:00:00.000Z`, `2023-01-01 00:00:00 UTC`, Unix seconds; None for others.

    `03/02/2021` is two days to two readers, and no moment here; `03-02-2021` is one of whoever writes the `day_first`.
    """
    text = text.strip()
    if day_first:
        text = re.sub(r"^(\d\d)-(\d\d)-(\d{4})", r"\3-\2-\1", text)
    if re.fullmatch(r"\d{9,10}", text):
        return datetime.fromtimestamp(int(text), UTC)
    text = re.sub(r"^(\d{4})/(\d\d)/(\d\d)", r"\1-\2-\3", _ZONE.sub("+00:00", text))
    text = re.sub(r"(\.\d{1,6})\d*", r"\1", text).replace(" +", "+")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
