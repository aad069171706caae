"""
Running sums over the latest ticks, one window for each length that rules ask for. Pure: rows are handed in.

What comes is added, what leaves is read once more and taken out; so a window over a day costs no more than one over a
minute, and the sums are the same whether they ran for a week or were built a moment ago.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from ukemi.collector.core.observation import EventCount, EventKind, Observation, Service, Source, Traffic

Read = Callable[[int, int], Iterable[Observation]]
"""Observations of the ticks after the first and up to the second instant."""
EVENTS: Final = "events"


class Tally(msgspec.Struct):
    events: int = 0
    users: Counter[str] = msgspec.field(default_factory=Counter)
    """User → ticks in which they were met."""


class Window:
    """The sums of one length."""

    def __init__(self) -> None:
        self.traffic: dict[Service, dict[Source, dict[str, Traffic]]] = {}
        self.events: dict[Service, dict[EventKind, Tally]] = {}

    @property
    def is_empty(self) -> bool:
        return not self.traffic and not self.events

    def put(self, observation: Observation) -> None:
        service = observation.service
        if observation.source == EVENTS:
            tallies = self.events.setdefault(service, {})
            for kind, count in observation.events:
                tally = tallies.get(kind)
                if tally is None:
                    tally = tallies[kind] = Tally()
                tally.events += count.events
                tally.users.update(count.users)
            return
        routes = self.traffic.setdefault(service, {}).setdefault(observation.source, {})
        for route, traffic in observation.traffic.items():
            known = routes.get(route)
            if known is None:
                routes[route] = traffic.copy()
            else:
                known.add(traffic)

    def take(self, observation: Observation) -> None:
        service = observation.service
        if observation.source == EVENTS:
            tallies = self.events[service]
            for kind, count in observation.events:
                _take_events(tallies, kind, count)
            if not tallies:
                del self.events[service]
            return
        sources = self.traffic[service]
        routes = sources[observation.source]
        for route, traffic in observation.traffic.items():
            known = routes[route]
            known.add(traffic, -1)
            if not known.samples:
                del routes[route]
        if not routes:
            del sources[observation.source]
        if not sources:
            del self.traffic[service]


class Windows:
    def __init__(self, lengths_us: Iterable[int]) -> None:
        """
        Args:
            lengths_us: whole ticks.
        """
        self.by_length: Mapping[int, Window] = {length_us: Window() for length_us in lengths_us}
        self.tick_us: int | None = None

    def advance(self, tick_us: int, read: Read) -> None:
        """Move to a later tick."""
        before_us = tick_us - max(self.by_length, default=0) if self.tick_us is None else self.tick_us
        self.tick_us = tick_us
        came = list(read(before_us, tick_us))
        for length_us, window in self.by_length.items():
            begin_us = tick_us - length_us
            if not window.is_empty:
                for observation in read(before_us - length_us, min(before_us, begin_us)):
                    window.take(observation)
            for observation in came:
                if observation.tick_us > begin_us:
                    window.put(observation)


def _take_events(tallies: dict[EventKind, Tally], kind: EventKind, count: EventCount) -> None:
    tally = tallies[kind]
    tally.events -= count.events
    if not tally.events:
        del tallies[kind]
        return
    for user in count.users:
        tally.users[user] -= 1
        if not tally.users[user]:
            del tally.users[user]
