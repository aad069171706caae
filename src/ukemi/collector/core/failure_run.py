"""
Consecutive failures of a service, over all of its processes, from what each told of itself. Pure.

The run is the failures after the latest success of *any* process; so a healthy process ends a run, and several sick
ones add up to one. A failure counts only once every live process has reported past it: one of them may have
succeeded since, and not have said so yet.
"""

from collections.abc import Sequence

import msgspec

TRAFFIC_US = 600 * 1_000_000
"""Requests this recent before the last report make a silence remarkable."""


class InstanceSeen(msgspec.Struct, frozen=True):
    """One process as it described itself last; instants on our clock."""

    last_report_us: int
    last_request_us: int | None = None
    last_success_us: int | None = None
    failures_us: list[int] = []
    ended_us: int | None = None


class FailureRun(msgspec.Struct, frozen=True):
    length: int
    first_us: int | None
    last_us: int | None
    last_success_us: int | None
    live: int
    """Processes that report."""
    judged_until_us: int | None
    """What happened later is not judged yet."""


def failure_run(instances: Sequence[InstanceSeen], silence_us: int, now_us: int) -> FailureRun:
    """
    The present run of failures of one service.

    Args:
        silence_us: a process that has not reported for so long is not waited for.
    """
    live = [i for i in instances if i.ended_us is None and now_us - i.last_report_us < silence_us]
    judged_until_us = min((i.last_report_us for i in live), default=now_us)
    success_us = max((i.last_success_us for i in instances if i.last_success_us is not None), default=None)
    failures = sorted(
        failure_us
        for instance in instances
        for failure_us in instance.failures_us
        if failure_us <= judged_until_us and (success_us is None or failure_us > success_us)
    )
    return FailureRun(
        length=len(failures),
        first_us=failures[0] if failures else None,
        last_us=failures[-1] if failures else None,
        last_success_us=success_us,
        live=len(live),
        judged_until_us=judged_until_us if live else None,
    )


def silent_since(
    instances: Sequence[InstanceSeen], silence_us: int, observing_since_us: int, now_us: int
) -> int | None:
    """
    Since when a service has been silent that should not be; None when all is well.

    Args:
        observing_since_us: since when this collector has been listening. Silence before that is its own.
    """
    if not instances:
        return None
    last = max(instances, key=lambda instance: instance.last_report_us)
    if last.ended_us is not None or now_us - max(last.last_report_us, observing_since_us) < silence_us:
        return None
    requests_us = [i.last_request_us for i in instances if i.last_request_us is not None]
    had_traffic = bool(requests_us) and last.last_report_us - max(requests_us) < TRAFFIC_US
    return last.last_report_us if had_traffic else None
