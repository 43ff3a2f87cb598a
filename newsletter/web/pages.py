"""Render the local pages: their own Jinja2 environment (apart from the mails'), static files, and JSON errors.

Templates are in `templates/`, autoescaped; each page extends `base.html`. Nothing is fetched from elsewhere.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from newsletter import __version__
from newsletter.errors import NewsletterError

FOLDER = Path(__file__).parent


@cache
def environment() -> Environment:
    """The pages' environment: autoescaped, strict about undefined names."""
    env = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["size"] = human_size
    env.filters["day"] = day
    env.filters["ticks"] = ticks
    env.globals["version"] = __version__
    return env


def page(request: Request, template: str, context: Mapping[str, Any] | None = None, status: int = 200) -> Response:
    """`template` as a whole page; it also sees `token` (see `local`) and `path`."""
    return HTMLResponse(fragment(template, {**_known(request), **(context or {})}), status)


def fragment(template: str, context: Mapping[str, Any]) -> str:
    """`template` as text, for a part of a page."""
    return environment().get_template(template).render(context)


def static_files() -> Mount:
    """The route of scripts and styles, `/static/…`; asked for again each time, answered by 304."""
    return Mount("/static", _Static(directory=FOLDER / "static"), name="static")


def refusal(error: NewsletterError, status: int = 422) -> JSONResponse:
    """What a user can mend, as JSON: `{error, path, line}`."""
    return JSONResponse({"error": error.what, "path": error.path, "line": error.line}, status)


def human_size(size: int) -> str:
    """Bytes as people write them: 31 KB, 1.2 MB."""
    if size < 1000:
        return f"{size} bytes"
    value, unit = (size / 1000, "KB") if size < 999_500 else (size / 1_000_000, "MB")
    return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}".replace(".0 ", " ")


def day(moment: datetime | None) -> str:
    """A date as people write it, "4 May 2026"; empty without one."""
    return f"{moment.day} {moment:%B %Y}" if moment else ""


def ticks(text: str) -> Markup:
    """Words with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped before)


def _known(request: Request) -> dict[str, Any]:
    return {"token": request.scope.get("state", {}).get("token", ""), "path": request.url.path}


class _Static(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response
