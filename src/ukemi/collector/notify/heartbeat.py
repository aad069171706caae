"""
The outgoing heartbeat: a watcher elsewhere is called every minute, only while everything here is well.

So it is the absence of calls that tells: of a machine without power as well as of a worker that hangs.
"""

from collections.abc import Callable
from typing import Final

import structlog

from ukemi.collector.core.clock import MINUTE_US, SECOND_US, Clock
from ukemi.collector.notify.errors import Undeliverable
from ukemi.collector.notify.http import OutgoingClient

log = structlog.get_logger("ukemi.notify")

EVERY_US: Final = MINUTE_US
SOON_US: Final = 5 * SECOND_US
"""While something is not well it is looked again so soon: a start, or a restart, must not cost a whole minute."""


class OutgoingHeartbeat:
    def __init__(
        self,
        client: OutgoingClient,
        url: str,
        near: OutgoingClient,
        ready_url: str,
        are_stages_well: Callable[[], bool],
    ) -> None:
        """
        Args:
            near: a client that may reach this machine.
            ready_url: answers 2xx while the HTTP process, the database and the worker are well.
        """
        self._client, self._url, self._near, self._ready_url = client, url, near, ready_url
        self._are_stages_well = are_stages_well
        self._due_us = 0

    def step(self, clock: Clock) -> int:
        """Call, if it is time to and all is well. Returns 0: nothing waits for it."""
        now_us = clock.now_us()
        if now_us < self._due_us:
            return 0
        self._due_us = now_us + SOON_US
        if not self._are_stages_well():
            log.warning("no heartbeat: a stage of the worker makes no progress")
            return 0
        try:
            self._near.get(self._ready_url, now_us=now_us)
        except Undeliverable as error:
            log.warning("no heartbeat: the collector is not ready", why=str(error))
            return 0
        self._due_us = now_us + EVERY_US
        try:
            self._client.get(self._url, now_us=now_us)
        except Undeliverable as error:
            log.warning("the heartbeat was not taken", why=str(error))
        return 0
