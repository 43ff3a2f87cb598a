"""`/p/TOKEN`: a reader's own place: name, tags, a pause, consent to tracking, leaving and coming back."""

import re
from datetime import date

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from newsletter.audience.address import address_key
from newsletter.audience.events import record
from newsletter.audience.roster import put
from newsletter.audience.signup import plain_name
from newsletter.audience.subscriber import PAUSED_UNTIL, TAGS, Subscriber, join_tags
from newsletter.audience.suppression import suppressed
from newsletter.web.public.context import Public, is_test
from newsletter.web.public.forms import Form, first, read_form
from newsletter.web.public.signup import topics
from newsletter.web.public.unsubscribe import come_back, leave

TRACKING = "tracking"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


def routes(public: Public) -> list[Route]:
    """The page's route."""

    async def page(request: Request) -> Response:
        reader = public.reader(request, "preferences")
        if reader is None:
            return public.not_found()
        if request.method != "POST":
            return await run_in_threadpool(_show, public, request, reader)
        return await run_in_threadpool(_post, public, request, reader, await read_form(request))

    return [Route("/p/{token}", page, methods=["GET", "POST"])]


def _show(public: Public, request: Request, reader: tuple[str, str], error: str = "") -> Response:
    email, _ = reader
    person = Subscriber(email) if is_test(reader) else public.roster.find(email)
    stopped = None if is_test(reader) else suppressed(public.engine, email)
    if stopped is not None:
        return public.page("left", email=email, may_return=stopped.reason == "unsubscribe")
    if person is None:
        return public.page("nobody", email=email)
    offered = tuple(dict.fromkeys((*topics(public), *person.tags)))
    return public.page(
        "preferences",
        400 if error else 200,
        email=person.email,
        name=person.name,
        topics=[(tag, tag in person.tags) for tag in offered],
        paused_until=person.columns.get(PAUSED_UNTIL, "")[:10],
        tracking=person.columns.get(TRACKING) == "yes",
        saved=request.query_params.get("saved") == "1",
        error=error,
    )


def _post(public: Public, request: Request, reader: tuple[str, str], form: Form) -> Response:
    email, issue = reader
    path = f"/p/{request.path_params['token']}"
    if public.keeps_nothing(reader):
        return public.see(path)
    if first(form, "leave"):
        leave(public, email, issue, "preferences")
        return public.see(path)
    if first(form, "undo"):
        come_back(public, email, issue, "preferences")
        return public.see(path)
    if not {"name", PAUSED_UNTIL} & {*form}:
        return public.see(path)  # no form of ours as a person sends it: an empty one would empty everything
    person = public.roster.find(email)
    if person is None:
        return public.page("nobody", email=email)
    paused = first(form, PAUSED_UNTIL)
    if paused and not _is_day(paused):
        return _show(public, request, reader, public.words("preferences.bad_day"))
    changed = _changed(public, person, form, paused)
    if changed != person:
        put(public.roster, [changed])
        tracking = (
            changed.columns.get(TRACKING) if changed.columns.get(TRACKING) != person.columns.get(TRACKING) else None
        )
        with public.engine.begin() as connection:
            record(
                connection, address_key(email), "changed", public.clock(), issue, form="preferences", tracking=tracking,
                words=public.words("preferences.tracking") if tracking else None, network=request.state.network,
            )  # fmt: skip
    return public.see(f"{path}?saved=1")


def _changed(public: Public, person: Subscriber, form: Form, paused: str) -> Subscriber:
    """The person as the form has them; of tags, only those that the page shows may change."""
    shown = {*topics(public), *person.tags}
    kept = [tag for tag in form.get("tags", []) if tag in shown]
    ordered = [tag for tag in dict.fromkeys((*topics(public), *person.tags)) if tag in kept]
    columns = dict(person.columns)
    for name, value in (
        (TAGS, join_tags(ordered)),
        (PAUSED_UNTIL, paused),
        (TRACKING, "yes" if first(form, TRACKING) else "no" if columns.get(TRACKING) else ""),
    ):
        if value or columns.get(name):
            columns[name] = value
    return Subscriber(person.email, plain_name(first(form, "name")), columns)


def _is_day(text: str) -> bool:
    if not _DAY.match(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
