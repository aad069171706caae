"""Notifications: who was told what, and how each delivery went."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ukemi.collector.store import notifications
from ukemi.collector.store.notifications import Delivery
from ukemi.collector.web.context import respond, web_of

SHOWN = 100


class NotificationsPage(msgspec.Struct, frozen=True):
    """All that `notifications.html` may see."""

    deliveries: list[Delivery]
    channels: list[str]


def show(request: Request) -> Response:
    web = web_of(request)
    with web.database.read() as tx:
        page = NotificationsPage(notifications.ledger(tx, SHOWN), list(web.channels))
    return respond(request, "notifications.html", page)
