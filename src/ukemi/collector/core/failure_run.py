"""
Consecutive failures of a service, over all of its processes, from what each told of itself. Pure.

The run is the failures after the latest success of *any* process; so a healthy process ends a run, and several sick
ones add up to one. A failure counts only once every live process has reported past it: one of them may have
succeeded since, and not have said so yet. It is waited for as long as such a report may take.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from ukemi.collector.core.clock import SECOND_US

TRAFFIC_US: Final = 600 * SECOND_US
"""Requests this recent before the last report make a silence remarkable."""
LIVE_US: Final = 30 * SECOND_US
"""A process that has not reported for so long is not waited for, nor taken for running."""
WAIT_US: Final = 4 * SECOND_US
"""
A process that has served a request reports within two seconds. So one that was not heard of for this long has served none
since, and is not waited for: an idle one that reports every ten seconds holds nobody up.
"""
QUIET_US: Final = 15 * SECOND_US
"""From then on a service without reports is looked at as one that may have fallen silent."""
MAX_RUN: Final = 50
"""Runs are told apart up to this length."""


class InstanceSeen(msgspec.Struct, frozen=True):
    """One process as it described itself last; instants on our clock."""

    last_report_us: int
    last_request_us: int | None = None
    last_success_us: int | None = None
    failures_us: list[int] = []
    ended_us: int | None = None


class ServiceSeen(msgspec.Struct, frozen=True):
    """
    What a failure-run rule is judged on: how the processes of one service stand together.

    It is kept whenever `differs` finds something new, so it holds no instant that moves on by itself.
    """

    run: int = 0
    """Failures after the latest success of any process that are judged already; at most MAX_RUN."""
    run_last_us: int | None = None
    success_us: int | None = None
    """The latest known then."""
    live: int = 0
    """Processes that report."""
    last_report_us: int | None = None
    """Of any process; None: none is remembered."""
    quiet_since_us: int | None = None
    """The latest report, when none has come for a while though requests had; None: all is well."""
    is_ended: bool = False
    """Whether the process that reported last said good-bye."""

    def differs(self, other: "ServiceSeen | None") -> bool:
        """Whether a rule could be judged otherwise on this than on `other`."""
        return other is None or self.telling != other.telling

    @property
    def telling(self) -> tuple[object, ...]:
        """What a verdict can depend on."""
        return self.run, self.live, self.last_report_us is None, self.quiet_since_us, self.is_ended


def see_service(instances: Sequence[InstanceSeen], now_us: int, quiet_us: int = QUIET_US) -> ServiceSeen:
    """
    How a service stands.

    Args:
        instances: all its processes that are remembered.
        quiet_us: so long without a report is worth a look.
    """
    if not instances:
        return ServiceSeen()
    live = [i for i in instances if i.ended_us is None and now_us - i.last_report_us < LIVE_US]
    judged_until_us = min((max(i.last_report_us, now_us - WAIT_US) for i in live), default=now_us)
    success_us = max((i.last_success_us for i in instances if i.last_success_us is not None), default=None)
    failures = sorted(
        failure_us
        for instance in instances
        for failure_us in instance.failures_us
        if failure_us <= judged_until_us and (success_us is None or failure_us > success_us)
    )
    last = max(instances, key=lambda instance: instance.last_report_us)
    requests_us = [i.last_request_us for i in instances if i.last_request_us is not None]
    had_traffic = bool(requests_us) and last.last_report_us - max(requests_us) < TRAFFIC_US
    is_quiet = last.ended_us is None and had_traffic and now_us - last.last_report_us >= quiet_us
    return ServiceSeen(
        run=min(len(failures), MAX_RUN),
        run_last_us=failures[-1] if failures else None,
        success_us=success_us,
        live=len(live),
        last_report_us=last.last_report_us,
        quiet_since_us=last.last_report_us if is_quiet else None,
        is_ended=last.ended_us is not None,
    )
