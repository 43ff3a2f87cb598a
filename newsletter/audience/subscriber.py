"""A subscriber: a person on the list."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Address, name, and whatever further columns the list has, by their header; data only, never compiled."""

    email: str  # as mailed: validated, domain in punycode
    name: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)  # without email and name
