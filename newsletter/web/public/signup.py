"""`/`, `/subscribe` and `/c/TOKEN`: sign up by form or JSON, and confirm.

The same answer for all: whoever is on the list, must not be mailed, or was asked today already. A confirmation mail
carries nothing that the visitor typed. What suspicious ones must do first is `challenge`'s; the mail waits in the
state, not in the request.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from newsletter.audience.address import normalize_address
from newsletter.audience.csv.reader import control_character
from newsletter.audience.signup import ask, confirm_signup, may_join, plain_name
from newsletter.audience.subscriber import TAGS, Subscriber, join_tags
from newsletter.web.public.challenge import BITS, PATIENCE, Limits, admit, proves, stamp, stamp_age
from newsletter.web.public.context import Public, is_test
from newsletter.web.public.forms import Form, first, read_form
from newsletter.web.public.reading import Reading

TAG_MAX, TAGS_MAX = 40, 10
NEWEST = 3
"""Past issues on the first page."""
TRAP = "website"
"""A field that people don't see, and machines fill in."""


def routes(public: Public, limits: Limits, reading: Reading) -> list[Route]:
    """The pages' routes; `reading` knows the past issues, of which the first page names the newest."""

    async def home(request: Request) -> Response:
        return public.page(
            "signup", stamp=stamp(public.secret, public.clock()), topics=topics(public), trap=TRAP, robots="all",
            issues=(await reading.archive()).rows(public.prefix, NEWEST),
        )  # fmt: skip

    async def subscribe(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_cors(public, request))
        is_json = request.headers.get("content-type", "").partition(";")[0].strip() == "application/json"
        form = await read_form(request)
        return await run_in_threadpool(_subscribe, public, limits, request, form, is_json=is_json)

    async def confirmation(request: Request) -> Response:
        reader = public.reader(request, "confirm")
        if reader is None:
            return public.not_found()
        if request.method != "POST":
            return public.page("confirm", email=reader[0])
        return await run_in_threadpool(_confirm, public, request, reader)

    return [
        Route("/", home, methods=["GET"]),
        Route("/subscribe", subscribe, methods=["POST", "OPTIONS"]),
        Route("/c/{token}", confirmation, methods=["GET", "POST"]),
    ]


def topics(public: Public) -> Sequence[str]:
    """The tags that readers may choose themselves."""
    return public.config.subscribers.topics


def chosen_tags(public: Public, given: Sequence[str]) -> str:
    """Of the tags that somebody gave, those that they may have, as a cell."""
    offered = topics(public)
    plain = [" ".join(tag.split()).lstrip("=+-@ ")[:TAG_MAX] for tag in given if not control_character(tag)]
    return join_tags([tag for tag in plain if not offered or tag in offered][:TAGS_MAX])


def _subscribe(public: Public, limits: Limits, request: Request, form: Form, *, is_json: bool) -> Response:
    now, network = public.clock(), request.state.network
    if is_json and not form:
        reason = 'the body is no JSON object with an address; send one such as {"email": "ada@example.org"}'
        return _refused(public, request, reason, is_json=True)
    try:
        email = normalize_address(first(form, "email"))
    except ValueError as error:
        return _refused(public, request, str(error), is_json=is_json)
    text = first(form, "stamp")
    age, challenged = stamp_age(public.secret, text, now), stamp_age(public.secret, text, now, email)
    done = challenged is not None and (proves(text, first(form, "proof")) or challenged >= PATIENCE)
    if challenged is not None:
        age = challenged if done else None  # what it was asked for is not done: as good as none
    count = limits.count(network, now)
    what = admit(age, bool(text), done, count, crowded=limits.crowded(now))
    if what == "prove":
        return _challenge(public, request, form, email, early=challenged is not None, is_json=is_json)
    if what == "go" and not first(form, TRAP):
        _ask(public, request, form, email, network)
    if is_json:
        return JSONResponse({"status": "asked"}, 202, _cors(public, request))
    return public.page("asked")


def _ask(public: Public, request: Request, form: Form, email: str, network: str) -> None:
    if not may_join(public.engine, public.secret, public.roster, email):
        return
    columns = {TAGS: tags} if (tags := chosen_tags(public, form.get("tags", []))) else {}
    person = Subscriber(email, plain_name(first(form, "name")), columns)
    kind = "json" if "json" in request.headers.get("content-type", "") else "form"
    consent = public.words("signup.consent", title=public.title)
    if ask(public.engine, person, public.clock(), form=kind, words=consent, network=network):
        public.owed()


def _challenge(public: Public, request: Request, form: Form, email: str, *, early: bool, is_json: bool) -> Response:
    """Ask for a proof of work, or for patience; what was typed goes along in hidden fields."""
    text = stamp(public.secret, public.clock(), email)
    if is_json:
        asked = {
            "status": "prove",
            "stamp": text,
            "bits": BITS,
            "how": "sha256(stamp + ':' + proof) begins with so many 0",
        }
        return JSONResponse(asked, 429, _cors(public, request))
    kept = [(name, value) for name in ("email", "name", "tags") for value in form.get(name, [])[:TAGS_MAX]]
    return public.page("challenge", 429, stamp=text, bits=BITS, kept=kept, early=early)


def _refused(public: Public, request: Request, reason: str, *, is_json: bool) -> Response:
    if is_json:
        return JSONResponse({"status": "refused", "reason": reason}, 400, _cors(public, request))
    text = public.words("signup.bad_address", reason=reason)
    return public.page("message", 400, heading=public.words("signup.bad_title"), text=text)


def _confirm(public: Public, request: Request, reader: tuple[str, str]) -> Response:
    email, _ = reader
    if is_test(reader):
        return public.message("confirm.done", email=email)
    consent = public.words("signup.consent", title=public.title)
    done = confirm_signup(
        public.engine, public.roster, email, public.clock(), welcome=True, words=consent, network=request.state.network
    )
    if not done:
        return public.page("stale")
    public.owed()
    return public.page(
        "confirmed", email=email, preferences=public.link("preferences", email).removeprefix(public.base)
    )


def _cors(public: Public, request: Request) -> dict[str, str]:
    """The newsletter's own site may ask from its pages (Fetch standard, CORS)."""
    origin = request.headers.get("origin", "")
    site = urlsplit(public.composer.site.url)
    if not origin or origin != f"{site.scheme}://{site.netloc}":
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Content-Type",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Vary": "Origin",
    }
