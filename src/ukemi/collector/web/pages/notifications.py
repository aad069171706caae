"""Notifications: who was told what, and how each delivery went."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ukemi.collector.core.answer import Answered, read_answer
from ukemi.collector.store import channels, notifications
from ukemi.collector.store.channels import ChannelState
from ukemi.collector.store.notifications import Delivery
from ukemi.collector.web.context import respond, web_of

SHOWN = 100


class Told(Delivery, frozen=True):
    """A line of the ledger, and what its answer says."""

    answered: Answered


class NotificationsPage(msgspec.Struct, frozen=True):
    """All that `notifications.html` may see."""

    deliveries: list[Told]
    channels: list[str]
    failing: list[ChannelState]
    """Configured channels that have taken nothing since they began to fail."""


def show(request: Request) -> Response:
    web = web_of(request)
    with web.database.read() as tx:
        states = channels.states(tx)
        failing = [states[name] for name in web.channels if name in states and states[name].failing_since_us]
        told = [
            Told(**msgspec.structs.asdict(one), answered=read_answer(one.answer))
            for one in notifications.ledger(tx, SHOWN)
        ]
        page = NotificationsPage(told, list(web.channels), failing)
    return respond(request, "notifications.html", page)
