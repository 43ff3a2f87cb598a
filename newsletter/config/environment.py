"""What the environment sets: `NEWSLETTER_SMTP__URL=…`, in any case, in place of what newsletter.toml has.

Names and nesting are those of pydantic-settings, which would take longer to import than all the rest of the settings,
and bring an event loop with it. A list is written with commas or as JSON, a whole table or a mapping as JSON; what is
neither is left to the validation to explain.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from newsletter.config.explain import PREFIX, Model, model_of


def apply_environment(tables: dict[str, Any], environment: Mapping[str, str], model: Model) -> None:
    """Put into `tables` what variables set that are named for a table of `model`; others are not looked at."""
    ours = {
        name.upper().removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.upper().startswith(PREFIX)
    }
    for name in sorted(ours, key=lambda name: name.count("__")):  # a whole table first, then its keys
        keys = name.split("__")
        if keys[0] in model.model_fields:
            _put(tables, keys, _value(ours[name], _annotation(model, keys)))


def _annotation(model: Model, keys: Sequence[str]) -> Any:
    """Of what kind a key's value is; None for one that is not known, as in a mapping of one's own."""
    annotation: Any = model
    for key in keys:
        field = model_of(annotation).model_fields.get(key)
        annotation = field.annotation if field is not None else None
    return annotation


def _value(text: str, annotation: Any) -> Any:
    kinds = (annotation, *get_args(annotation))
    is_list = any(get_origin(kind) is list for kind in kinds)
    if is_list or get_origin(annotation) is dict or model_of(annotation) is not BaseModel:
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text)
    return [part.strip() for part in text.split(",") if part.strip()] if is_list else text


def _put(tables: Any, keys: Sequence[str], value: Any) -> None:
    """Set a key of nested tables; what is no table, where one should be, stays for the validation to explain."""
    for key in keys[:-1]:
        if not isinstance(tables := tables.setdefault(key, {}), dict):
            return
    if isinstance(value, dict) and isinstance(inner := tables.get(keys[-1]), dict):
        for key, one in value.items():
            _put(inner, [key], one)
    else:
        tables[keys[-1]] = value
