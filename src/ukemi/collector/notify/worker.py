"""
Notify: delivers what waits in the outbox, at least once, in order for each incident and channel.

A delivery is noted after the channel's answer; a crash between the two repeats it, under the same id.
"""

import random
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from ukemi.collector.core.clock import Clock
from ukemi.collector.core.notification import next_try_us
from ukemi.collector.notify.channels.base import Channel
from ukemi.collector.notify.errors import Undeliverable
from ukemi.collector.store import notifications
from ukemi.collector.store.database import Database
from ukemi.collector.store.notifications import Notification

log = structlog.get_logger("ukemi.notify")

BATCH: Final = 50
PARALLEL: Final = 8
"""A slow channel must not make the others wait."""


class Notifier:
    def __init__(self, database: Database, channels: Mapping[str, Channel]) -> None:
        """
        Args:
            channels: those that are configured, by their names in the rules file.
        """
        self._database = database
        self._channels = channels
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="notify")

    def step(self, clock: Clock) -> int:
        """Try once to deliver each notification that is due. Returns how many were tried."""
        with self._database.read() as tx:
            due = notifications.due(tx, clock.now_us(), BATCH)
        list(self._pool.map(lambda one: self._deliver(one, clock), due))
        return len(due)

    def close(self) -> None:
        self._pool.shutdown()

    def _deliver(self, one: Notification, clock: Clock) -> None:
        channel = self._channels.get(one.channel)
        if channel is None:
            self._note_failure(one, Undeliverable("It is no longer configured.", retry=False), clock.now_us())
            return
        try:
            channel.send(one.id, one.content, clock.now_us())
        except Undeliverable as error:
            self._note_failure(one, error, clock.now_us())
        except Exception as error:  # the border to channels: a defect of one must not hold up the others
            log.exception("channel failed in an unforeseen way", channel=one.channel)
            self._note_failure(one, Undeliverable(f"Unforeseen: {type(error).__name__}.", retry=True), clock.now_us())
        else:
            with self._database.write() as tx:
                notifications.delivered(tx, one, clock.now_us())
            log.info("notification delivered", channel=one.channel, reason=one.reason, incident=one.incident_id)

    def _note_failure(self, one: Notification, error: Undeliverable, now_us: int) -> None:
        again_us = None
        if error.retry:
            again_us = next_try_us(one.attempts + 1, one.created_us, error.retry_after_s, random.random(), now_us)  # noqa: S311
        with self._database.write() as tx:
            if again_us is not None:
                notifications.retry(tx, one, str(error), again_us)
            else:
                notifications.failed(tx, one, str(error))
                # Somebody must hear of it: the first other channel that has not been told takes over.
                for other in notifications.other_channels(tx, one, list(self._channels))[:1]:
                    notifications.queue(tx, one.project_id, secrets.token_hex(16), other, one.content, now_us)
        log.warning("notification not delivered", channel=one.channel, why=str(error), gives_up=again_us is None)
