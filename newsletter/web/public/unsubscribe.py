"""`/u/TOKEN`: leave with one click (RFC 8058), say why, and come back.

GET and HEAD change nothing, ever: scanners press links and run JavaScript. A mail program's POST gets a bare 200; the
page's own button also owes the reader one mail, with the way back in it, because a copy of the letter may have been
passed on. The token names the issue, which is kept.
"""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from newsletter.audience.address import address_key
from newsletter.audience.erasure import stopped
from newsletter.audience.events import record
from newsletter.audience.notices import owe, owed_lately
from newsletter.audience.suppression import Suppression, suppressed, unsuppress, write_suppression
from newsletter.web.public.context import Public, is_test
from newsletter.web.public.forms import Form, first, read_form

REASONS = ("often", "content", "never", "other")
ONE_CLICK = ("List-Unsubscribe", "One-Click")


def routes(public: Public) -> list[Route]:
    """The page's route."""

    async def page(request: Request) -> Response:
        reader = public.reader(request, "unsubscribe")
        if reader is None:
            return public.not_found()
        if request.method != "POST":
            return _show(public, request, reader)
        form = await read_form(request)
        return await run_in_threadpool(_post, public, request, reader, form)

    return [Route("/u/{token}", page, methods=["GET", "POST"])]


def _show(public: Public, request: Request, reader: tuple[str, str]) -> Response:
    email, issue = reader
    why = None if is_test(reader) else stopped(public.engine, public.secret, email)
    return public.page(
        "unsubscribe",
        email=email,
        left=why is not None,
        may_return=why is not None and why.reason == "unsubscribe",
        reasons=REASONS,
        told=request.query_params.get("told") == "1",
        returned=request.query_params.get("back") == "1" and why is None,
        preferences=public.link("preferences", email, issue).removeprefix(public.base),
    )


def _post(public: Public, request: Request, reader: tuple[str, str], form: Form) -> Response:
    email, issue = reader
    one_click = first(form, ONE_CLICK[0]).lower() == ONE_CLICK[1].lower()
    path = f"/u/{request.path_params['token']}"
    if public.keeps_nothing(reader):
        return PlainTextResponse("") if one_click else public.see(path)
    if one_click:
        leave(public, email, issue, "one-click")
        return PlainTextResponse("")
    if first(form, "undo"):
        come_back(public, email, issue, "page")
        return public.see(f"{path}?back=1")
    if (reason := first(form, "reason")) in REASONS:
        with public.engine.begin() as connection:
            told = first(form, "words")[:500]
            record(
                connection, address_key(email), "left", public.clock(), issue, reason=reason, words=told, form="reason"
            )
        return public.see(f"{path}?told=1")
    leave(public, email, issue, "page", notice=bool(first(form, "leave")))
    return public.see(path)


def leave(public: Public, email: str, issue: str, source: str, *, notice: bool = False) -> None:
    """Mail this reader nothing more; with `notice`, one last mail says so, once."""
    key, now = address_key(email), public.clock()
    with public.engine.begin() as connection:
        if not write_suppression(connection, key, Suppression(email, "unsubscribe", source, now, issue or None)):
            return
        record(connection, key, "left", now, issue, form=source)
        owes = notice and not owed_lately(connection, key, "goodbye", 0)
        if owes:
            owe(connection, email, "goodbye", now, issue=issue)
    if owes:
        public.owed()


def come_back(public: Public, email: str, issue: str, source: str) -> bool:
    """Undo the reader's own leaving; a complaint or a bounce is no matter of a button."""
    why = suppressed(public.engine, email)
    if why is None or why.reason != "unsubscribe":
        return False
    unsuppress(public.engine, email)
    with public.engine.begin() as connection:
        record(connection, address_key(email), "returned", public.clock(), issue, form=source)
    return True
