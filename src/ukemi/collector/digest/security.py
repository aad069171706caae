"""Security reports of browsers become events before they are understood as such."""

import msgspec

from ukemi.collector.spool.item import ItemContext, SpoolItem
from ukemi.protocol.event import decode_event
from ukemi.protocol.security import is_of_extension, read_security_report


class _Header(msgspec.Struct):
    """What the request of a report says beside it."""

    sentry_release: str = ""
    sentry_environment: str = ""


def event_of_report(item: SpoolItem) -> SpoolItem:
    """
    The event that an item `raw_security` stands for.

    Raises:
        PayloadError: it is no report that we know.
    """
    context = msgspec.json.decode(item.context, type=ItemContext)
    header = msgspec.json.decode(context.item_header, type=_Header)
    event = read_security_report(item.payload, header.sentry_release, header.sentry_environment, context.user_agent)
    return msgspec.structs.replace(item, payload=msgspec.json.encode(event))


def is_of_browser_extension(item: SpoolItem) -> bool:
    """Whether a browser extension caused it, not the page: most of the noise, and nobody's to mend."""
    return is_of_extension(decode_event(item.payload))
