"""Processes of an app that know every request they served, and tell of them as the SDK layer does."""

import msgspec

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.failure_run import InstanceSeen

START_US = 1_767_225_600_000_000
TOLD_FAILURES = 50


class Process(msgspec.Struct):
    """What it served after its last report, nobody else knows."""

    requests: list[tuple[int, bool]]
    """Instant, and whether it succeeded."""
    last_report_us: int
    is_ended: bool = False

    def told(self) -> list[tuple[int, bool]]:
        """The requests that were served when it reported last."""
        return [(at_us, is_success) for at_us, is_success in self.requests if at_us <= self.last_report_us]

    def seen(self) -> InstanceSeen:
        """Its last report, as the collector remembers it."""
        told = self.told()
        success_us = max((at_us for at_us, is_success in told if is_success), default=None)
        failures_us = sorted(
            at_us for at_us, is_success in told if not is_success and (success_us is None or at_us > success_us)
        )
        return InstanceSeen(
            last_report_us=self.last_report_us,
            last_request_us=max((at_us for at_us, _ in told), default=None),
            last_success_us=success_us,
            failures_us=failures_us[-TOLD_FAILURES:],
            ended_us=self.last_report_us if self.is_ended else None,
        )


def at(second: float) -> int:
    """An instant on our clock."""
    return START_US + round(second * SECOND_US)


def process(marks: str, *, begin_s: float = 0, report_s: float, is_ended: bool = False) -> Process:
    """A process with one request a second: `x` failed, `o` succeeded, a space stands for none."""
    requests = [(at(begin_s + second), mark == "o") for second, mark in enumerate(marks) if mark != " "]
    return Process(requests, at(report_s), is_ended)
