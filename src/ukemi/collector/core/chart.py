"""
A rule's chart: its value over time, the threshold, how much it was judged on, and when it would have fired. Pure.

Coordinates are those of an SVG of WIDTH × HEIGHT, so that a template only writes them down.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from ukemi.collector.core.backtest import WouldBe
from ukemi.collector.core.explain import Point

WIDTH: Final = 720
HEIGHT: Final = 160
SAMPLE_HEIGHT: Final = 34
COLUMNS: Final = 240
"""Points are drawn in so many columns: of each the highest value, so that no peak is lost."""


class Band(msgspec.Struct, frozen=True):
    """A would-be incident."""

    x: float
    width: float
    title: str


class Column(msgspec.Struct, frozen=True):
    """How much was judged on."""

    x: float
    y: float
    width: float
    height: float


class Chart(msgspec.Struct, frozen=True):
    lines: list[str]
    """Points of polylines; a new one after each gap."""
    threshold_y: float
    bands: list[Band]
    samples: list[Column]
    top: float
    """The value at the upper edge."""
    threshold: float
    highest: float
    most: int
    """The largest sample."""


def draw(points: Sequence[Point], incidents: Sequence[WouldBe], since_us: int, until_us: int) -> Chart | None:
    """The chart of one instance of a window rule; None when there is nothing to draw."""
    if not points:
        return None
    span_us = max(1, until_us - since_us)
    threshold = points[-1].threshold
    highest = max((point.value for point in points if point.value is not None), default=0.0)
    top = max(highest, threshold) * 1.15 or 1.0
    most = max(point.sample for point in points)

    def x_of(at_us: int) -> float:
        return round(WIDTH * min(1.0, max(0.0, (at_us - since_us) / span_us)), 1)

    columns: dict[int, list[Point]] = {}
    for point in points:
        columns.setdefault(min(COLUMNS - 1, COLUMNS * (point.at_us - since_us) // span_us), []).append(point)
    lines: list[list[str]] = [[]]
    samples = []
    wide = WIDTH / COLUMNS
    for number in range(COLUMNS):
        found = columns.get(number, [])
        value = max((point.value for point in found if point.value is not None), default=None)
        if value is None:
            if lines[-1]:
                lines.append([])
        else:
            lines[-1].append(f"{round((number + 0.5) * wide, 1)},{round(HEIGHT - HEIGHT * value / top, 1)}")
        if most and (sample := max((point.sample for point in found), default=0)):
            tall = round(max(1.0, SAMPLE_HEIGHT * sample / most), 1)
            samples.append(Column(round(number * wide, 1), round(SAMPLE_HEIGHT - tall, 1), round(wide * 0.8, 1), tall))
    bands = [
        Band(x, round(max(2.0, x_of(one.closed_us or until_us) - x), 1), one.because)
        for one in incidents
        for x in [x_of(one.opened_us)]
    ]
    return Chart(
        lines=[" ".join(line) for line in lines if line],
        threshold_y=round(HEIGHT - HEIGHT * threshold / top, 1),
        bands=bands,
        samples=samples,
        top=top,
        threshold=threshold,
        highest=highest,
        most=most,
    )
