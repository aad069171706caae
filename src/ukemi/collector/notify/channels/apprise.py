"""
Everything that Apprise speaks: Teams, Discord, Telegram, ntfy, Opsgenie and about a hundred more; the extra `ukemi[apprise]`.

It is optional, and imported only when such a channel is configured. Apprise sends by its own client: the checks of
`ukemi.collector.notify.http` (private addresses, time limits, Retry-After) do not apply to it, and only who starts the
collector can name its URLs. Redirects are not followed. It tells only whether all went well, so every failure is tried again.
"""

import importlib
import logging
from typing import Any, Final

from ukemi.collector.core.notification import Content, Reason
from ukemi.collector.notify.channels.base import Telling, cut, headline, one_line, reach
from ukemi.collector.notify.errors import BadChannel, Undeliverable

_TYPES: Final = {"critical": "failure", "high": "warning", "warning": "warning"}


class Apprise:
    key_id = ""

    def __init__(self, urls: str) -> None:
        """
        Args:
            urls: separated by spaces.

        Raises:
            BadChannel: Apprise is not installed, or does not understand one of them.
        """
        try:
            apprise = importlib.import_module("apprise")
        except ImportError as error:
            raise BadChannel(
                "A channel of kind apprise needs a package: pip install 'ukemi[collector,apprise]'"
            ) from error
        # Its own log would repeat the URLs, and they hold secrets.
        logging.getLogger("apprise").setLevel(logging.CRITICAL)
        # It would follow redirects, and take what arrived nowhere for told.
        asset = apprise.AppriseAsset(app_id="ukemi", app_desc="error tracking", http_redirects=False)
        self._sender: Any = apprise.Apprise(asset=asset)
        for number, url in enumerate(urls.split(), 1):
            if not self._sender.add(url):
                raise BadChannel(
                    f"Apprise does not understand its URL number {number}. See github.com/caronc/apprise/wiki."
                )

    def send(self, telling: Telling, now_us: int) -> str:  # noqa: ARG002
        title, body = render(telling.content)
        kind = "success" if telling.content.reason is Reason.CLOSED else _TYPES[telling.content.severity]
        if not self._sender.notify(body=body, title=title, notify_type=kind, body_format="text"):
            raise Undeliverable("Apprise could not send it to at least one of its addresses.", retry=True)
        return "sent by Apprise"


def render(content: Content) -> tuple[str, str]:
    """Title and body as plain text; Apprise escapes for each service."""
    lines = [content.because, f"in {content.culprit}" if content.culprit else ""]
    lines += [f"Likely cause: {content.cause.text} {content.cause.link}"] if content.cause else []
    lines += [f"by {content.actor}"] if content.actor else []
    lines += reach(content.blast_radius) if content.blast_radius else []
    lines += [f"- {line.text} {line.link}" for line in content.lines]
    body = [cut(one_line(line), 500) for line in lines if line]
    return cut(headline(content), 200), "\n".join([*body, content.link])
