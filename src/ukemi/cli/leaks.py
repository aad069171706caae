"""
`ukemi leaks MODULE:APP`: what would leave an app if secrets stood in every place that a request has.

Imports the app as a server would, adds a route that fails, plants a canary of each kind in each place, one request per
kind, and looks for the canaries in what would have been sent. Each canary is unlike all others, so one that turns up
names the place it came from.
"""

import asyncio
import base64
import dataclasses
import importlib
import json
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

import ukemi.sdk
from ukemi.cli.context import AsJson
from ukemi.sdk import UkemiMiddleware, runtime
from ukemi.sdk.testing import Captured, recording

COULD_NOT_CHECK: Final = 2
PATH: Final = "/ukemi-leaks"
TIMEOUT_S: Final = 30.0
PLACES: Final = (
    "header",
    "cookie",
    "query",
    "path",
    "JSON body",
    "local variable",
    "exception message",
    "breadcrumb",
    "tag",
    "context",
    "log",
    "span",
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Spot = tuple[str, str]
"""Place and kind."""


class PlantedError(Exception):
    """What the added route raises."""


class NotChecked(Exception):
    """Why nothing can be said of the app."""


def leaks(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="MODULE:APP, as uvicorn takes it: shop.main:app.")],
    *,
    as_json: AsJson = False,
) -> None:
    """
    Plant canary secrets wherever a request of this app can carry them, and show which would have left.

    Nothing is sent: what would leave is recorded, and connections are refused. Exit status: 0 when nothing leaks, 1
    when something does, 2 when it could not be checked.
    """
    sys.addaudithook(_refuse_network)
    with recording() as captured:
        try:
            app = _load(target)
            _require_tracking(app, target)
            canaries, notes = asyncio.run(_plant(app, captured))
        except NotChecked as why:
            Console(stderr=True, highlight=False, soft_wrap=True).print(str(why), style="red", markup=False)
            raise typer.Exit(code=COULD_NOT_CHECK) from None
        found = {spot: places for spot, canary in canaries.items() if (places := _places(captured, canary))}
    notes += [f"What the app's own transport {name} adds is not seen." for name in captured.unexamined]
    if as_json:
        rows = [{"place": place, "kind": kind, "found_in": places} for (place, kind), places in found.items()]
        typer.echo(json.dumps({"checked": len(canaries), "leaks": rows, "notes": notes}))
    else:
        _show(found, len(canaries), notes)
    raise typer.Exit(code=1 if found else 0)


@dataclass(frozen=True)
class Kind:
    """One kind of secret."""

    name: str
    key: str
    """Under which name it stands. Those under `note` must be found by their looks."""
    make: Callable[[int], str]
    """From a number to a canary of its own."""


def _card(number: int) -> str:
    """Sixteen digits of a Visa card, the last of which is the check digit."""
    digits = f"42424242424{number:04d}"
    doubled = [int(d) if i % 2 else sum(divmod(int(d) * 2, 10)) for i, d in enumerate(reversed(digits))]
    return digits + str(-sum(doubled) % 10)


def _jwt(number: int) -> str:
    parts = ('{"alg":"HS256"}', f'{{"sub":"canary {number:04d}"}}', f"signature of canary {number:04d}")
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


KINDS: Final = (
    Kind("password", "password", "canary{:04d}opensesame".format),
    Kind("user name", "username", "canary{:04d}mori".format),
    Kind("card", "note", _card),
    Kind("API key", "note", "sk_live_canary{:04d}opensesame".format),
    Kind("JWT", "note", _jwt),
    Kind("e-mail", "note", "canary{:04d}@leaks.example.org".format),
    Kind("IP address", "note", lambda number: f"203.0.113.{number + 100}"),
    Kind("SSN", "note", lambda number: f"078-05-{number + 1000}"),
)


class _Route:
    """
    An ASGI app that tells its canaries in all ways, and fails.

    Its frames are captured too, so no variable may hold a canary but under the name that it is planted under.
    """

    def __init__(self, kind: Kind, planted: dict[str, str]) -> None:
        self._kind, self._planted = kind, planted
        self.is_reached = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        self.is_reached = True
        body = json.loads((await receive())["body"])
        self._tell()
        _fail(self._held("local variable"), self._text("exception message"), body)

    def _tell(self) -> None:
        ukemi.sdk.add_breadcrumb("leaks", self._text("breadcrumb"), self._held("breadcrumb"))
        ukemi.sdk.set_tag(self._kind.key, self._planted["tag"])
        ukemi.sdk.set_context("leaks", self._held("context"))
        with ukemi.sdk.start_span("leaks", self._text("span")):
            pass
        log = logging.getLogger("ukemi.leaks")
        log.propagate = False  # past the terminal; sentry-sdk listens before any handler
        log.addHandler(logging.NullHandler())
        log.error("%s", self._text("log"), extra=self._held("log"))

    def _held(self, place: str) -> dict[str, str]:
        return {self._kind.key: self._planted[place]}

    def _text(self, place: str) -> str:
        return f"{self._kind.key}={self._planted[place]}"


def _fail(held: dict[str, str], message: str, body: object) -> None:  # noqa: ARG001 - its variables are captured
    raise PlantedError(message)


async def _plant(app: Any, captured: Captured) -> tuple[dict[Spot, str], list[str]]:
    """Send one request of each kind; canaries by place and kind, and what should be said beside."""
    canaries: dict[Spot, str] = {}
    notes: list[str] = []
    # Each request raises the same error, and each must leave whole.
    runtime.install(dataclasses.replace(runtime.current(), storm=None))
    for number, kind in enumerate(KINDS):
        planted = {place: kind.make(number * len(PLACES) + index) for index, place in enumerate(PLACES)}
        route = _Route(kind, planted)
        before = _failures(captured)
        with _added(app, route):
            await _request(app, kind, planted)
        if not route.is_reached:  # a middleware of the app's wants a session, a host, a connection
            notes = ["The app did not let the request through to the added route: its own middleware was left out."]
            before = _failures(captured)
            await _request(UkemiMiddleware(route), kind, planted)
        if _failures(captured) == before:
            raise NotChecked("The added route failed, and no event of it would have left: there is nothing to look at.")
        canaries |= {(place, kind.name): canary for place, canary in planted.items()}
    return canaries, notes


def _failures(captured: Captured) -> int:
    return sum(1 for event in captured.events if event.get("exception"))


@contextmanager
def _added(app: Any, route: _Route) -> Iterator[None]:
    """The route as the app's first, so that no other takes its path; other ASGI apps stay as they are."""
    if not (hasattr(app, "mount") and hasattr(app, "router")):
        yield
        return
    routes = app.router.routes
    app.mount(PATH, route)
    routes.insert(0, routes.pop())
    try:
        yield
    finally:
        routes.pop(0)


async def _request(app: Any, kind: Kind, planted: dict[str, str]) -> None:
    """One POST, by ASGI itself. What the app raises or answers is not our concern."""
    path = f"{PATH}/{kind.key}={planted['path']}"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": path,
        "raw_path": quote(path).encode(),
        "root_path": "",
        "query_string": f"{kind.key}={quote(planted['query'])}".encode(),
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"sentry-trace", b"0123456789abcdef0123456789abcdef-0123456789abcdef-1"),  # keep the transaction
            (f"x-{kind.key}".encode(), planted["header"].encode()),
            (b"cookie", f"{kind.key}={planted['cookie']}".encode()),
        ],
        "client": ("127.0.0.1", 50000),
        "server": ("localhost", 443),
        "state": {},
    }
    messages: list[Message] = [
        {"type": "http.request", "body": json.dumps({kind.key: planted["JSON body"]}).encode(), "more_body": False}
    ]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        pass

    with suppress(Exception):
        async with asyncio.timeout(TIMEOUT_S):
            await app(scope, receive, send)


def _load(target: str) -> Any:
    """The app, with the working directory importable as under uvicorn."""
    module, _, names = target.partition(":")
    if not module or not names:
        raise NotChecked(f"{target!r} names no app. Say MODULE:APP, as to uvicorn: shop.main:app.")
    sys.path.insert(0, str(Path.cwd()))
    try:
        return reduce(getattr, names.split("."), importlib.import_module(module))
    except (Exception, SystemExit) as error:  # the border to the app
        raise NotChecked(
            f"{target} could not be imported ({type(error).__name__}: {error}). "
            "Connections are refused here; an app that needs one at import cannot be checked."
        ) from error


def _require_tracking(app: Any, target: str) -> None:
    if runtime.current().is_on:
        return
    if getattr(app, "_ukemi_wrapped", False) or isinstance(app, UkemiMiddleware):
        raise NotChecked(
            "Error tracking is off, so nothing at all would leave. Set SENTRY_DSN as in production, or to any DSN "
            "such as http://key@localhost/1: nothing is sent."
        )
    raise NotChecked(f"{target} does not use ukemi.sdk: call ukemi.sdk.init(app) where the app is made.")


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook. Sockets within the machine's kernel, as an event loop has them, are not concerned."""
    reaches_out = event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr") or (
        event in ("socket.connect", "socket.sendto", "socket.sendmsg")
        and arguments[0].family in (socket.AF_INET, socket.AF_INET6)
    )
    if reaches_out:
        raise PermissionError("`ukemi leaks` refuses every connection")


def _places(captured: Captured, canary: str) -> list[str]:
    """Where a canary stands, as it is or as in a URL."""
    return list(dict.fromkeys(place for text in (canary, quote(canary, safe="")) for place in captured.find(text)))


def _show(found: dict[Spot, list[str]], checked: int, notes: list[str]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    table = Table("", *(kind.name for kind in KINDS), box=None, pad_edge=False)
    for place in PLACES:
        table.add_row(place, *("LEAKS" if (place, kind.name) in found else "·" for kind in KINDS))
    console.print(table)
    for (place, kind), places in found.items():
        console.print(f"{kind} in {place} would leave in:", *places, sep="\n  ", markup=False)
    told = (
        f"{len(found)} of {checked} canaries would have left."
        if found
        else f"None of {checked} canaries would have left."
    )
    console.print(told, *notes, sep="\n", markup=False)
