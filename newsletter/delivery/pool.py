"""The relays of a run: opening connections where there is work, backing off, leaving out a relay that refuses us.

Several relays share the work by what they take: each connection asks for the next message when it has room. One that is
away is asked again later; one that says something about us is left out for the run. What is sent over a connection is
the handler's business (delivery.dispatch).
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from newsletter.delivery.backlog import REST
from newsletter.delivery.pace import Pace
from newsletter.delivery.progress import Ending
from newsletter.delivery.refusals import Refusals
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.smtp.connect import Connector, RelayTrouble
from newsletter.smtp.connection import Connection, Handler, Timeouts
from newsletter.smtp.limit import HOUR, SECOND
from newsletter.smtp.relay import Relay
from newsletter.smtp.reply import Action, Reply, verdict

CAREFUL = 0.05
"""Seconds each final dot is held back once a connection was lost with a message in doubt."""
CAREFUL_FOR = 100
"""Messages that must be taken after that, before dots are sent at once again."""
PATIENCE = 600.0
"""Seconds without any relay after which a run ends, its recipients waiting for the next."""
FIRST_TRIES = 3
"""Attempts to reach a relay that has not been reached in this run, before that is said to the user."""
LONGEST_BACK_OFF = 60.0
LIMITED = 20
"""So many refusals that name a limit of ours, nothing accepted between, end the run."""
FIRST_REST, LONGEST_REST = 5.0, 300.0
"""Seconds of rest where a relay names a limit but no time; doubled each time."""
KEPT_IDLE = 10.0
"""Seconds of rest above which connections are closed meanwhile."""


class Route:
    """A relay and its connections."""

    def __init__(self, relay: Relay, pace: Pace) -> None:
        self.relay = relay
        self.name = relay.name
        self.pace = pace
        self.connector = Connector(relay)
        self.refusals = Refusals()
        self.limited = 0  # refusals that name a limit of ours, since it last took a message
        self.limit_said = ""  # the last of them
        self.connections: set[Connection] = set()
        self.opening = 0
        self.reached = False  # it has taken a connection in this run
        self.failures = 0  # in a row: not reached, or closed without taking a message
        self.retry_at = 0.0
        self.trouble: RelayTrouble | None = None  # why it could not be reached
        self.lanes = tuple(sorted(relay.domains)) or (REST,)  # whom it takes
        self.down_since: float | None = None  # it fails, and has no connection
        self.left_out = False  # it has said something that is about us
        self.careful = 0  # messages whose final dot is still to be held back

    def lost_in_doubt(self) -> None:
        """A connection was lost after a final dot: be careful for a while."""
        self.careful = CAREFUL_FOR

    def went_well(self) -> None:
        """A message was taken."""
        self.pace.went_well()
        self.refusals.accepted()
        self.limited = 0
        if self.careful:
            self.careful -= 1
            if not self.careful:
                for connection in self.connections:
                    connection.careful = 0.0


class RelayPool:
    """All relays of a run. It ends the run when nothing is left to try."""

    def __init__(
        self,
        routes: Sequence[Route],
        ending: Ending,
        *,
        timeouts: Timeouts,
        chance: random.Random,
        no_wait: bool,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.all = routes
        self.of: dict[Connection, Route] = {}
        self.bound = frozenset(domain for route in routes for domain in route.relay.domains)
        self.orphaned: dict[str, NewsletterError] = {}  # lanes whose relays are all left out, and why
        self.most = sum(route.relay.connections for route in routes)
        self._ending = ending
        self._timeouts = timeouts
        self._chance = chance
        self._no_wait = no_wait
        self._closing = False
        self._began = self._loop.time()
        self._tasks: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self.of))

    @property
    def is_free(self) -> bool:
        """Whether messages go as fast as they can, to all relays."""
        return all(route.pace.is_free for route in self.all)

    def open_connections(self, handler: Handler, work: Callable[[Route], int]) -> None:
        """Open connections for the messages that `handler` has for each; close them where a relay wants fewer."""
        now = self._loop.time()
        for route in self.all:
            if self._closing or route.left_out:
                continue
            wanted = work(route)
            route.pace.use(wanted, len(route.connections) + route.opening, now)
            allowed = route.pace.connections
            if route.failures:
                allowed = min(allowed, 1) if now >= route.retry_at else 0
            elif not route.reached:
                allowed = min(allowed, 1)  # fifty wrong logins at once lock an account
            if (wait := route.pace.wait(now)) > KEPT_IDLE or route.pace.rests_until > now:
                allowed = 0
                if wait > KEPT_IDLE:
                    for connection in list(route.connections):
                        connection.quit()
            for _ in range(min(allowed, wanted) - len(route.connections) - route.opening):
                route.opening += 1
                task = self._loop.create_task(self._open(handler, route))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            surplus = len(route.connections) - route.pace.connections
            for connection in list(route.connections)[: max(surplus, 0)]:
                connection.quit()

    async def _open(self, handler: Handler, route: Route) -> None:
        try:
            session = await route.connector.connect(self._timeouts.connect)
        except RelayTrouble as trouble:
            route.trouble = trouble
            if trouble.reply is not None:
                route.pace.answered(verdict(trouble.reply), self._loop.time())
            meaning = verdict(trouble.reply) if trouble.reply is not None else None
            if meaning is not None and meaning.action is Action.REST:
                self.limit(route, meaning.window, str(trouble.reply))
            elif trouble.lasting:
                self.leave_out(route, trouble.error)
            else:
                self._back_off(route)
            return
        finally:
            route.opening -= 1
            self._ending.changed.set()
        route.reached = True
        route.down_since = None
        careful = CAREFUL if route.careful else 0.0
        connection = Connection(handler, session, self._timeouts, careful)
        self.of[connection] = route
        route.connections.add(connection)
        connection.attach()
        if self._closing:
            connection.quit()
        else:
            connection.wake()

    def closed(self, connection: Connection, reply: Reply | None) -> None:
        """A connection is gone; `reply` is why, if the relay said it."""
        route = self.of.pop(connection)
        route.connections.discard(connection)
        if reply is not None and reply.code:
            route.pace.answered(verdict(reply), self._loop.time())
        if connection.useful:
            route.failures = 0
        elif not (self._closing or connection.dismissed):
            self._back_off(route)
        self._ending.changed.set()

    def _back_off(self, route: Route) -> None:
        """The relay is away, or closes connections without taking anything; all away for too long ends the run."""
        now = self._loop.time()
        if route.failures and now < route.retry_at:
            return  # one of several that were lost together
        route.failures += 1
        wait = min(self._timeouts.back_off * 2.0 ** min(route.failures - 1, 20), LONGEST_BACK_OFF)
        route.retry_at = now + wait * (0.8 + 0.4 * self._chance.random())
        route.down_since = now if route.down_since is None else route.down_since
        others = [other for other in self.all if not other.left_out and {*other.lanes} & {*route.lanes}]
        if any(other.connections or not other.failures for other in others):
            return
        since = max(other.down_since or now for other in others)
        enough = all(other.failures >= FIRST_TRIES for other in others) or now - self._began >= self._timeouts.connect
        never = enough and not any(other.reached for other in self.all if {*other.lanes} & {*route.lanes})
        if never or now - since > PATIENCE or (self._no_wait and route.failures >= 5):
            for other in (route, *others):
                self.leave_out(other, _away(other.trouble))

    def limit(self, route: Route, window: float, said: str) -> None:
        """The relay says that we have sent as much as we may: slower, or a rest until its `window` turns, or the end.

        The window may turn sooner than its length from now, so that is when at the latest. What was under way when the
        rest began is refused with it, and counts once.
        """
        now, rests = self._loop.time(), route.pace.rests_until > self._loop.time()
        if window == SECOND:
            if not route.pace.slow_down(now, slowest=1.0):
                return
        elif window and rests:
            return
        route.limited += 1
        route.limit_said = said
        wait = window or min(FIRST_REST * 2.0 ** (route.limited - 1), LONGEST_REST)
        if wait > HOUR or route.limited >= LIMITED or (self._no_wait and window != SECOND):
            turns = f", which ends by {_clock(wait)} at the latest" if window > SECOND else ""
            what = f"{route.relay.name}: {said}; it is a limit on what we may send{turns}"
            self.leave_out(route, TryAgainLater(f"{what}; run the same command again {'then' if turns else 'later'}"))
        elif window != SECOND and not rests:
            route.pace.rest(now + wait)
            self._ending.changed.set()

    def leave_out(self, route: Route, error: NewsletterError) -> None:
        """The relay has said something about us; the run ends when no other is left."""
        if route.left_out:
            return
        route.left_out = True
        for connection in list(route.connections):
            connection.quit()
        for lane in route.lanes:
            if all(other.left_out for other in self.all if lane in other.lanes):
                self.orphaned.setdefault(lane, error)
        if all(other.left_out for other in self.all):
            self._ending.ask(error)
        self._ending.changed.set()

    def quit(self) -> None:
        """No further message; what is under way is finished."""
        self._closing = True
        for connection in self:
            connection.quit()

    def abort(self) -> None:
        """Close everything at once."""
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        for connection in self:
            connection.abort()

    def wait(self) -> float:
        """Seconds until some relay may take the next message; 0 or less: now."""
        now = self._loop.time()
        return min((route.pace.wait(now) for route in self.all if not route.left_out), default=0.0)

    def notes(self) -> list[str]:
        """What a user should know about the relays now."""
        now = self._loop.time()
        slowed = [f"{route.relay.name} slowed to {route.pace.slowed:.3g}/s" for route in self.all if route.pace.slowed]
        resting = [
            f"{route.relay.name} rests until {_clock(route.pace.rests_until - now)}: {route.limit_said}"
            for route in self.all
            if route.pace.rests_until > now
        ]
        full = [
            f"{route.relay.name} has had its share, and goes on at {_clock(wait)}"
            for route in self.all
            if route.pace.rests_until <= now and not route.left_out and (wait := route.pace.wait(now)) > KEPT_IDLE
        ]
        crowded = [
            f"{route.relay.name}: other senders have all its {route.relay.connections} connections"
            for route in self.all
            if route.pace.share is not None and route.pace.share.waits
        ]
        return [*slowed, *resting, *full, *crowded] + [
            str(route.trouble) for route in self.all if route.trouble and (route.failures or route.left_out)
        ]


def _clock(seconds: float) -> str:
    """The time of day in so many seconds; with the day, if that is another."""
    moment, now = datetime.now() + timedelta(seconds=seconds), datetime.now()
    return f"{moment:%H:%M}" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M}"


def _away(trouble: RelayTrouble | None) -> NewsletterError:
    if trouble is None:
        return TryAgainLater("the relay closes connections without taking mail; try again later")
    return TryAgainLater(str(trouble))
