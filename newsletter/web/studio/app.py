"""The preview studio: posts on the left, the mail in the middle, findings on the right.

Every view is derived from the bytes that `send` would hand to the relay (`rendering`). This module says which address
answers what; how a view is made is in `frame`, `panels` and `inbox_rows`, who may ask is in `local`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.web import error_page, site_files
from newsletter.web.events import Events
from newsletter.web.frame import Appearance, frame_document, theme_named
from newsletter.web.local import LocalGuard, bind_free
from newsletter.web.local_token import door, load_token, open_browser, with_token
from newsletter.web.pages import fragment, page, static_files
from newsletter.web.pictures import embedder
from newsletter.web.security import SecurityHeaders, mail_policy
from newsletter.web.server import serve_app
from newsletter.web.studio import checkup, panels, personas, readers
from newsletter.web.studio.renderer import RenderedMessage, Renderer
from newsletter.web.studio.sent import SentIssue, SentIssues
from newsletter.web.studio.watch import changes

PORT = 8000


class Studio:
    """One newsletter's studio: what its pages share while it runs."""

    def __init__(self, config: Config) -> None:
        self.renderer = Renderer(config)
        self.root = config.root
        self.sent = SentIssues()
        self.events = Events()
        self.link_answers: dict[str, Any] = {}  # of the session, for "check links"
        self.checkup: checkup.Checkup | None = None  # what the doctor found last
        self.last: tuple[str, str] | None = None  # post and person looked at last
        self._searched = 0  # the latest moment, by a page's clock, at which people were searched

    def routes(self) -> list[Route]:
        """Which address answers what."""
        return [
            Route("/", self.home),
            Route("/posts/{key:path}", self.post_page),
            Route("/list", self.post_list),
            Route("/summary/{key:path}", self.summary),
            Route("/mail/{key:path}", self.mail),
            Route("/panels/{panel}/{key:path}", self.panel),
            Route("/rows/{key:path}", self.rows),
            Route("/findings/{key:path}", self.findings, methods=["GET", "POST"]),
            Route("/download/{key:path}", self.download),
            Route("/people", self.people),
            Route("/readers", self.readers),
            Route("/doctor", self.doctor),
            Route("/send/{key:path}", self.send, methods=["POST"]),
            Route("/site/{path:path}", self.site_file),
            Route("/events", self.stream),
        ]

    def home(self, request: Request) -> Response:
        """The newest post; a page that says what to do where there is none."""
        try:
            key = self.home_key()
        except NewsletterError as error:
            return self._page(request, "", error_page.describe_error(error, self.root))
        if key:
            return RedirectResponse(f"/posts/{quote(key)}", 307)
        return self._page(request, "", None)

    def post_page(self, request: Request) -> Response:
        """The page around one post; what it shows is fetched by its script."""
        key = request.path_params["key"]
        try:
            self.renderer.posts()
        except NewsletterError as error:
            return self._page(request, key, error_page.describe_error(error, self.root))
        try:
            self.renderer.find(key)
        except NewsletterError as error:
            return self._page(request, key, error_page.describe_error(error, self.root), 404)
        return self._page(request, key, None)

    async def readers(self, request: Request) -> Response:
        """Who reads: counts, growth, who came and who left."""
        try:
            return page(request, "studio/readers.html", await run_in_threadpool(readers.overview, self.renderer.config))
        except NewsletterError as error:
            return self._page(request, "", error_page.describe_error(error, self.root), 422)

    async def doctor(self, request: Request) -> Response:
        """What the doctor found last; with `look`, what it finds now."""
        error = ""
        if request.query_params.get("look"):
            try:
                self.checkup = await checkup.examine_now(self.renderer.config)
            except NewsletterError as trouble:
                error = str(trouble)
        return page(request, "studio/doctor.html", {**checkup.context(self.checkup), "error": error})

    def post_list(self, request: Request) -> Response:
        """The list of posts, for a page that is open when one is added."""
        return HTMLResponse(fragment("studio/posts.html", self._listing(request.query_params.get("current", ""))))

    def summary(self, request: Request) -> Response:
        """Subject, sender, sizes, and how long it took."""
        rendered = self._render(request)
        path = panels.shown_path(rendered.post.path, self.root)
        return JSONResponse(panels.summary(rendered, self._sent().get(path)))

    def mail(self, request: Request) -> Response:
        """The mail as the document of a frame."""
        asked = request.query_params
        try:
            rendered = self._render(request)
        except Exception as error:
            return HTMLResponse(fragment("studio/broken.html", error_page.describe_error(error, self.root)), 422)
        appearance = Appearance(
            theme_named(asked.get("theme")),
            styles=asked.get("styles") != "off",
            clip=asked.get("clip") == "on",
            images=asked.get("images") != "off",
        )
        carried, of_site = embedder(rendered.message, None), site_files.mapper(rendered.page)
        document = frame_document(rendered.html, appearance, lambda url: of_site(carried(url)))
        policy = mail_policy(remote_images=True, images=asked.get("images") != "off", measured=True)
        return HTMLResponse(document, headers={"Content-Security-Policy": policy})

    def panel(self, request: Request) -> Response:
        """A view beside the mail, as a fragment of the page."""
        name = request.path_params["panel"]
        if name not in panels.PANELS:
            raise NewsletterError(f"there is no view {name!r}; choose one of {', '.join(panels.PANELS)}")
        made = panels.context(name, self._render(request), dict(request.query_params))
        return HTMLResponse(fragment(f"studio/panels/{name}.html", made))

    def rows(self, request: Request) -> Response:
        """The inbox rows as a page of their own, to be photographed."""
        return page(
            request, "studio/rows.html", panels.context("inbox", self._render(request), dict(request.query_params))
        )

    async def findings(self, request: Request) -> Response:
        """What the checks find; by POST every link is asked, over the network."""
        from newsletter.checks.rules.link_status import check_links
        from newsletter.checks.rules.spam import check_spam
        from newsletter.checks.run import check_message

        rendered = await run_in_threadpool(self._render, request)
        sample = await run_in_threadpool(panels.sample, rendered)
        found = await run_in_threadpool(check_message, sample)
        asked_links = request.method == "POST"
        if asked_links:
            found += await check_links(sample, self.link_answers)
        if rendered.config.checks.spamd:
            found += await check_spam(sample, rendered.config.checks.spamd)
        made = panels.findings_context(found, self.root)
        return HTMLResponse(fragment("studio/findings.html", {**made, "links": asked_links}))

    def download(self, request: Request) -> Response:
        """The message as a file, the very bytes."""
        rendered = self._render(request)
        name = "".join(
            mark if mark.isascii() and (mark.isalnum() or mark in "-_.") else "-" for mark in rendered.issue.id
        )
        headers = {"Content-Disposition": f'attachment; filename="{name}.eml"'}
        return Response(rendered.eml, media_type="message/rfc822", headers=headers)

    def people(self, request: Request) -> Response:
        """The first subscribers that match `q`; one that was asked for later (`at`, a page's clock) ends this one."""
        at = request.query_params.get("at", "")
        mine = int(at) if at.isascii() and at.isdigit() and len(at) < 20 else 0
        self._searched = max(self._searched, mine)  # requests may arrive in another order than they were made
        subscribers = takewhile(lambda _one: not mine or mine >= self._searched, self.renderer.subscribers())
        found = personas.search(subscribers, request.query_params.get("q", ""))
        return JSONResponse([{"key": one.email, "email": one.email, "name": one.name} for one in found])

    async def send(self, request: Request) -> Response:
        """Send the real message to one address through the configured relay, as `send --to` does."""
        from newsletter.web.studio.send import send_rendered

        try:
            asked = await request.json()
            address, person = str(asked["to"]), str(asked.get("as", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NewsletterError("this request names no address; give one") from None
        rendered = await run_in_threadpool(self._render_for, request.path_params["key"], person)
        return JSONResponse({"said": await send_rendered(rendered, address)})

    def site_file(self, request: Request) -> Response:
        """A picture from the site's folder."""
        return site_files.answer(request, self.renderer.site, request.path_params["path"])

    async def stream(self, request: Request) -> Response:
        """Server-sent events: `changed` when something was saved."""
        return self.events.response()

    def refuse(self, request: Request, error: Exception) -> Response:
        """An error as JSON, with the lines around it."""
        return JSONResponse(
            error_page.describe_error(error, self.root), 422 if isinstance(error, NewsletterError) else 500
        )

    async def watch(self, stop: asyncio.Event) -> None:
        """Tell the pages when something was saved, and begin to render what is looked at before they ask."""
        async for changed in changes(lambda: self.renderer.config, stop):
            self.renderer.forget(changed)
            self.events.publish("changed", {"paths": sorted(panels.shown_path(path, self.root) for path in changed)})
            await self._render_ahead()

    async def warm_up(self) -> None:
        """Import and render before the first page asks for its mail, then what its findings need."""
        with contextlib.suppress(Exception):
            await run_in_threadpool(self._import_ahead)
        await self._render_ahead()
        with contextlib.suppress(Exception):
            await run_in_threadpool(self._check_ahead)

    def _import_ahead(self) -> None:
        """Compose once for nothing: what the first composing imports is then no part of any mail's time."""
        if key := self.home_key():
            composer = self.renderer.composer
            composer.compose(composer.read(self.renderer.find(key).path))

    def _check_ahead(self) -> None:
        from newsletter.checks.run import check_message

        key, person = self.last or (self.home_key(), "")
        if key:
            check_message(panels.sample(self.renderer.render(key, person)))

    async def _render_ahead(self) -> None:
        with contextlib.suppress(Exception):  # the page asks for it as well, and shows what is wrong
            key, person = self.last or (self.home_key(), "")
            if key:
                await run_in_threadpool(self.renderer.render, key, person)

    def home_key(self) -> str:
        """The key of the post that is shown first: the newest that is no draft; empty where there is none."""
        posts = self.renderer.posts()
        newest = next((post for post in posts if not post.draft and post.date), posts[0] if posts else None)
        return newest.key if newest else ""

    def _render(self, request: Request) -> RenderedMessage:
        return self._render_for(request.path_params["key"], request.query_params.get("as", ""))

    def _render_for(self, key: str, person: str) -> RenderedMessage:
        self.last = key, person
        return self.renderer.render(key, person)

    def _page(self, request: Request, key: str, error: dict[str, Any] | None, status: int = 422) -> Response:
        try:
            config, listing = self.renderer.config, self._listing(key)
        except NewsletterError:
            config, listing = None, {"posts": [], "current": key}
        made = {
            **listing,
            "error": error,
            "title": config.newsletter.title if config else "",
            "personas": personas.PERSONAS,
        }
        return page(request, "studio/page.html", made, 200 if error is None else status)

    def _sent(self) -> dict[str, SentIssue]:
        try:
            return self.sent.by_post(self.renderer.config)
        except NewsletterError:  # a state file that can't be read is told by the commands that need it
            return {}

    def _listing(self, current: str) -> dict[str, Any]:
        sent = self._sent()
        posts = [(post, sent.get(panels.shown_path(post.path, self.root))) for post in self.renderer.posts()]
        return {"posts": posts, "current": current}


def studio_app(studio: Studio, token: str, *, watching: bool = True) -> Starlette:
    """The studio as an ASGI application, for those who have `token`; `watching` tells its pages what is saved, while
    the application runs."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        stop = asyncio.Event()
        tasks = [asyncio.create_task(studio.watch(stop)), asyncio.create_task(studio.warm_up())] if watching else []
        try:
            yield
        finally:
            stop.set()
            studio.events.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return Starlette(
        routes=[*studio.routes(), static_files()],
        middleware=[Middleware(SecurityHeaders), Middleware(LocalGuard, token=token)],
        exception_handlers={NewsletterError: studio.refuse, Exception: studio.refuse},
        lifespan=lifespan,
    )


async def serve_preview(
    config: Config,
    post: Path | None = None,
    *,
    port: int = PORT,
    browser: bool = True,
    on_ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve the studio on loopback until `stop` is set or the task is cancelled.

    `on_ready` gets the address of `post`'s page, or of the newest post's, with the secret that lets its owner in; with
    another port if `port` was taken. `browser` opens it.
    """
    studio = Studio(config)
    token = load_token(config.state_dir)
    app = studio_app(studio, token)
    bound = bind_free(port)
    path = ""
    if post:
        key = studio.renderer.key_of(post)
        studio.last = key, ""
        path = f"posts/{quote(key)}"

    with contextlib.ExitStack() as opened:

        def ready(url: str) -> None:
            address = with_token(url + path, token)
            if on_ready:
                on_ready(address)
            if browser:
                open_browser(opened.enter_context(door(config.state_dir, address)))

        await serve_app(app, bound, on_ready=ready, on_stop=studio.events.close, stop=stop)
