"""`/u/TOKEN`: leave with one click (RFC 8058), say why, and come back.

GET and HEAD change nothing, ever: scanners press links and run JavaScript. A mail program's POST gets a bare 200; the
page's own button also owes the reader one mail, with the way back in it, because a copy of the letter may have been
passed on. The token names the issue, which is kept.
"""

from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from newsletter.audience.address import address_key
from newsletter.audience.erasure import erased_among, stopped
from newsletter.audience.events import record, record_all
from newsletter.audience.leaving import ASKED, REASONS
from newsletter.audience.notices import owe, owed_lately
from newsletter.audience.suppression import Suppression, suppressed, unsuppress, write_suppressions
from newsletter.state.sqlite import hold
from newsletter.web.public.context import Public, is_test
from newsletter.web.public.forms import Form, first, read_form
from newsletter.web.public.together import Together

ONE_CLICK = ("List-Unsubscribe", "One-Click")


def routes(public: Public) -> list[Route]:
    """The page's route."""
    one_clicks = Together(partial(_one_click, public))

    async def page(request: Request) -> Response:
        reader = public.reader(request, "unsubscribe")
        if reader is None:
            return public.not_found()
        if request.method != "POST":
            return _show(public, request, reader)
        form = await read_form(request)
        if first(form, ONE_CLICK[0]).lower() == ONE_CLICK[1].lower():
            if not is_test(reader):
                await one_clicks.do(reader)
            return PlainTextResponse("")
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
        reasons=tuple(REASONS),
        told=request.query_params.get("told") == "1",
        returned=request.query_params.get("back") == "1" and why is None,
        preferences=public.link("preferences", email, issue).removeprefix(public.base),
    )


def _post(public: Public, request: Request, reader: tuple[str, str], form: Form) -> Response:
    email, issue = reader
    path = f"/u/{request.path_params['token']}"
    if public.keeps_nothing(reader):
        return public.see(path)
    if first(form, "undo"):
        come_back(public, email, issue, "page")
        return public.see(f"{path}?back=1")
    if (reason := first(form, "reason")) in REASONS:
        with public.engine.begin() as connection:
            told = first(form, "words")[:500]
            record(connection, address_key(email), "left", public.clock(), issue, reason=reason, words=told, form=ASKED)
        return public.see(f"{path}?told=1")
    leave(public, email, issue, "page")
    return public.see(path)


def leave(public: Public, email: str, issue: str, source: str) -> None:
    """Mail this reader nothing more, but one last mail that says so, once: a scanner may have sent the form."""
    key = address_key(email)
    with public.engine.begin() as connection:
        owes = _leave(connection, public, [(email, issue)], source) > 0 and not owed_lately(
            connection, key, "goodbye", 0
        )
        if owes:
            owe(connection, email, "goodbye", public.clock(), issue=issue)
    if owes:
        public.owed()


def _one_click(public: Public, waiting: Callable[[], Sequence[tuple[str, str]]]) -> None:
    """Mail those nothing more who wait by then, by what their mail programs ask for."""
    with public.engine.begin() as connection:
        hold(connection)
        readers = waiting()
        _leave(connection, public, readers, "one-click")


def _leave(connection: Connection, public: Public, readers: Sequence[tuple[str, str]], source: str) -> int:
    """Write down that these readers left, each over an issue; of how many that is news. Of the erased nothing."""
    now, erased = public.clock(), erased_among(connection, public.secret, [email for email, _ in readers])
    rows = {
        address_key(email): Suppression(email, "unsubscribe", source, now, issue or None)
        for email, issue in readers
        if email not in erased
    }
    news = write_suppressions(connection, rows) if rows else set()
    record_all(connection, "left", [(key, now, rows[key].issue, {"form": source}) for key in news])
    return len(news)


def come_back(public: Public, email: str, issue: str, source: str) -> bool:
    """Undo the reader's own leaving; a complaint or a bounce is no matter of a button."""
    why = suppressed(public.engine, email)
    if why is None or why.reason != "unsubscribe":
        return False
    unsuppress(public.engine, email)
    with public.engine.begin() as connection:
        record(connection, address_key(email), "returned", public.clock(), issue, form=source)
    return True
