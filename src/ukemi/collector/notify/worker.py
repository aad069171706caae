"""
Notify: delivers what waits in the outbox, at least once, in order for each incident and channel.

A delivery is noted after the channel's answer; a crash between the two repeats it, under the same id. Each channel has
threads of its own, so that a slow one makes no other wait. A channel that keeps failing is left alone for a while, and
what it does not take is told through another one. Of several workers on one database one tells; when it is gone, another does.
"""

import random
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import msgspec
import structlog

from ukemi.collector.core.clock import DAY_US, HOUR_US, SECOND_US, Clock
from ukemi.collector.core.notification import (
    HAND_OVER_AFTER_S,
    Content,
    Line,
    Reason,
    break_until_us,
    has_room,
    hour_of,
    must_hand_over,
    next_try_us,
)
from ukemi.collector.notify.channels.base import Channel, Telling
from ukemi.collector.notify.errors import Undeliverable
from ukemi.collector.store import channels as channel_states
from ukemi.collector.store import incidents, notifications, projects
from ukemi.collector.store.channels import ChannelState
from ukemi.collector.store.database import Database, Tx
from ukemi.collector.store.notifications import Notification, Queued

log = structlog.get_logger("ukemi.notify")

AT_ONCE: Final = 4
"""Deliveries under way to one channel."""
BATCH: Final = 50
LOOK_AFTER_US: Final = SECOND_US
"""How often budgets, hand-overs and self-tests are looked after."""
DIGEST_LINES: Final = 20
AGAIN_AFTER_FAILURE_US: Final = HOUR_US
"""A channel that failed, and for which nothing waits, is tried out so often, so that it is known when it works again."""


class Notifier:
    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        *,
        fallbacks: Sequence[str] | None = None,
        per_hour: Mapping[str, int] | None = None,
        self_test_days: int = 0,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            channels: those that are configured, by their names in the rules file.
            fallbacks: who takes over when one fails, the first choice first; None: any other one.
            per_hour: budgets by channel; 0 or not given: none.
            self_test_days: a channel through which nothing went for so long is tried out; 0: never.
            ended: called when a delivery has: a hand is free, and the next of its incident may go.
        """
        self._database = database
        self._channels = channels
        self._fallbacks = list(channels) if fallbacks is None else [name for name in fallbacks if name in channels]
        self._per_hour = dict(per_hour or {})
        self._self_test_days = self_test_days
        self._ended = ended
        self._pools = {name: ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"notify-{name}") for name in channels}
        self._lock = threading.Lock()
        self._under_way: dict[str, str] = {}
        """Channel by the id of each notification under way."""
        self._futures: set[Future[None]] = set()
        self._looked_us = 0

    def step(self, clock: Clock) -> int:
        """Begin to deliver what is due, as far as the channels have hands free. Returns how many were begun."""
        now_us = clock.now_us()
        if not self._database.lead("tell"):
            return 0
        if now_us - self._looked_us >= LOOK_AFTER_US:
            self._looked_us = now_us
            self._look_after(now_us)
        with self._lock:
            under_way = dict(self._under_way)
        with self._database.read() as tx:
            states = channel_states.states(tx)
            hands = {name: _hands(states.get(name), now_us) for name in self._channels}
            free = {name: hands[name] - sum(1 for one in under_way.values() if one == name) for name in hands}
            due = notifications.due(tx, now_us, BATCH, [name for name, count in free.items() if count <= 0])
        begun = 0
        for one in due:
            if one.id in under_way or one.channel not in self._channels:
                continue
            if free[one.channel] <= 0:
                continue
            free[one.channel] -= 1
            with self._lock:
                self._under_way[one.id] = one.channel
                future = self._pools[one.channel].submit(self._deliver, one, clock)
                self._futures.add(future)
            future.add_done_callback(self._futures.discard)
            begun += 1
        return begun

    def settle(self) -> None:
        """Wait until everything that is under way has ended."""
        for future in list(self._futures):
            future.result()

    def close(self) -> None:
        for pool in self._pools.values():
            pool.shutdown()

    def _deliver(self, one: Notification, clock: Clock) -> None:
        try:
            self._try(one, clock)
        except Exception:  # the database; the notification is still queued, so it is tried again
            log.exception("delivery could not be noted", channel=one.channel)
        finally:
            with self._lock:
                self._under_way.pop(one.id, None)
            self._ended()

    def _try(self, one: Notification, clock: Clock) -> None:
        channel = self._channels[one.channel]
        if not self._has_room(one, clock.now_us()):
            return
        key_id = self._key_id(one, channel.key_id)
        try:
            answer = channel.send(Telling(one.id, one.content, key_id), clock.now_us())
        except Undeliverable as error:
            self._note_failure(one, error, clock.now_us())
        except Exception as error:  # the border to channels: a defect of one must not hold up the others
            log.exception("channel failed in an unforeseen way", channel=one.channel)
            self._note_failure(one, Undeliverable(f"Unforeseen: {type(error).__name__}.", retry=True), clock.now_us())
        else:
            now_us = clock.now_us()
            with self._database.write() as tx:
                notifications.delivered(tx, one, answer, now_us)
                channel_states.put(tx, ChannelState(one.channel, delivered_us=now_us, tried_us=now_us))
            log.info("notification delivered", channel=one.channel, reason=one.reason, incident=one.incident_id)

    def _has_room(self, one: Notification, now_us: int) -> bool:
        """Whether the hourly budget of its channel allows it; else it is kept for the digest of the next hour."""
        per_hour = self._per_hour.get(one.channel, 0)
        if not per_hour:
            return True
        with self._database.read() as tx:  # a write would wait for digest's
            if has_room(notifications.delivered_since(tx, one.channel, hour_of(now_us)), per_hour):
                return True
        with self._database.write() as tx:
            notifications.hold_back(tx, one)
        log.warning("notification held back by the hourly budget", channel=one.channel, per_hour=per_hour)
        return False

    def _key_id(self, one: Notification, current: str) -> str:
        """Which key the incident is told with: the one that it began with. "" when the channel has none."""
        if not current or not one.incident_id:
            return ""
        with self._database.read() as tx:
            known = incidents.key_id(tx, one.project_id, one.incident_id, one.channel)
        if known:
            return known
        with self._database.write() as tx:
            return incidents.begin_with_key(tx, one.project_id, one.incident_id, one.channel, current)

    def _note_failure(self, one: Notification, error: Undeliverable, now_us: int) -> None:
        again_us = None
        if error.retry:
            again_us = next_try_us(one.attempts + 1, one.created_us, error.retry_after_s, random.random(), now_us)  # noqa: S311
        with self._database.write() as tx:
            before = channel_states.state(tx, one.channel)
            failures = before.failures + 1
            channel_states.put(
                tx,
                ChannelState(
                    one.channel,
                    failures=failures,
                    failing_since_us=before.failing_since_us or now_us,
                    is_refusing=not error.retry,
                    closed_until_us=break_until_us(failures, error.retry_after_s, now_us),
                    last_error=str(error),
                    delivered_us=before.delivered_us,
                    tried_us=now_us,
                ),
            )
            if again_us is not None:
                notifications.retry(tx, one, str(error), again_us)
            else:
                notifications.failed(tx, one, str(error))
                self._hand_over(tx, one, now_us)
        log.warning("notification not delivered", channel=one.channel, why=str(error), gives_up=again_us is None)

    def _hand_over(self, tx: Tx, one: Notification, now_us: int) -> None:
        """Somebody must hear of it: the first other channel that has not been told, and does not fail itself."""
        if one.reason in (Reason.TEST, Reason.SELF_TEST, Reason.ACKNOWLEDGED):
            return
        states = channel_states.states(tx)
        others = sorted(
            notifications.other_channels(tx, one, self._fallbacks),
            key=lambda name: states.get(name, ChannelState(name)).failing_since_us is not None,
        )
        for other in others[:1]:
            instead = Queued(one.project_id, secrets.token_hex(16), other, one.content, stands_in_for=one.channel)
            notifications.queue(tx, [instead], now_us)
            notifications.handed_over(tx, one, now_us)
            log.warning("another channel is told instead", channel=one.channel, instead=other)

    def _look_after(self, now_us: int) -> None:
        """Hand over what waits too long, tell what budgets held back, try out channels that were quiet for long."""
        patience_us = round(HAND_OVER_AFTER_S * SECOND_US)
        with self._database.read() as tx:
            states = channel_states.states(tx)
            failing = {n: s.failing_since_us for n, s in states.items() if s.failing_since_us and n in self._channels}
            dead = [name for name, since_us in failing.items() if now_us - since_us >= patience_us]
            waiting = notifications.to_hand_over(tx, now_us - patience_us, dead)
            orphans = notifications.of_channels_without(tx, list(self._channels), BATCH)
            held = {name: notifications.held_back(tx, name, hour_of(now_us)) for name in self._per_hour}
        wanted = [
            one
            for one in waiting
            if must_hand_over(one.reason, one.attempts, one.created_us, failing.get(one.channel), now_us)
        ]
        if wanted or orphans or any(held.values()):
            with self._database.write() as tx:
                for one in wanted:
                    self._hand_over(tx, one, now_us)
                for one in orphans:
                    notifications.failed(tx, one, "It is no longer configured.")
                    self._hand_over(tx, one, now_us)
                for channel, kept in held.items():
                    if kept and channel in self._channels:
                        _queue_digest(tx, channel, kept, now_us)
        if self._self_test_days:
            self._test_quiet_channels(states, now_us)

    def _test_quiet_channels(self, states: Mapping[str, ChannelState], now_us: int) -> None:
        for name in self._channels:
            state = states.get(name)
            if state is None:
                # It was never used: note when we first met it, so that its first test comes after the same time.
                with self._database.write() as tx:
                    channel_states.put(tx, ChannelState(name, delivered_us=now_us, tried_us=now_us))
                continue
            pause_us = AGAIN_AFTER_FAILURE_US if state.failing_since_us else self._self_test_days * DAY_US
            if now_us - (state.tried_us or 0) < pause_us:
                continue
            with self._database.write() as tx:
                if not notifications.is_waiting(tx, name):
                    content = test_content(Reason.SELF_TEST, self._self_test_days, now_us)
                    own = projects.ensure_own(tx, now_us)
                    notifications.queue(tx, [Queued(own, secrets.token_hex(16), name, content)], now_us)


def _hands(state: ChannelState | None, now_us: int) -> int:
    """How many deliveries to a channel may be under way. While it fails, one try is enough to see whether it works again."""
    if state is None or state.failing_since_us is None:
        return AT_ONCE
    return 0 if (state.closed_until_us or 0) > now_us else 1


def test_content(reason: Reason, days: int, now_us: int) -> Content:
    """What a test tells."""
    because = (
        "Somebody asked for this test with `ukemi notify test`."
        if reason is Reason.TEST
        else f"Nothing went through this channel for {days} days, so ukemi tried whether it still works. It does."
    )
    return Content(
        incident_id="",
        reason=reason,
        severity="warning",
        rule="",
        title="This is how ukemi will tell you",
        because=because,
        project="",
        environment="",
        culprit="",
        link="",
        opened_us=now_us,
    )


def _queue_digest(tx: Tx, channel: str, kept: Sequence[Notification], now_us: int) -> None:
    lines = [
        Line(f"{one.reason.value.replace('_', ' ')}, {one.content.severity}: {one.content.title}", one.content.link)
        for one in kept[:DIGEST_LINES]
    ]
    if len(kept) > DIGEST_LINES:
        lines.append(Line(f"and {len(kept) - DIGEST_LINES} more, on the page of notifications"))
    content = msgspec.structs.replace(
        test_content(Reason.HELD_BACK, 0, now_us),
        severity=kept[0].content.severity,
        title=f"{len(kept)} notifications of the last hour in one",
        because="The hourly budget of this channel was used up.",
        lines=lines,
    )
    notifications.queue(tx, [Queued(kept[0].project_id, secrets.token_hex(16), channel, content)], now_us)
    notifications.digested(tx, kept)
