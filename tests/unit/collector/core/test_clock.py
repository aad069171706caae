"""Clocks: microseconds since the epoch."""

import time

from ukemi.collector.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, SystemClock, VirtualClock


def test_a_virtual_clock_stands_still_until_told_to_move():
    clock = VirtualClock(1_000)

    assert [clock.now_us(), clock.now_us()] == [1_000, 1_000]
    clock.advance(0.5)
    clock.advance(3600)
    assert clock.now_us() == 1_000 + SECOND_US // 2 + HOUR_US


def test_the_system_clock_tells_microseconds():
    before_s = time.time()
    now_us = SystemClock().now_us()

    assert int(before_s) <= now_us / SECOND_US <= time.time() + 1


def test_the_units_are_multiples_of_each_other():
    assert (MINUTE_US, HOUR_US, DAY_US) == (60 * SECOND_US, 60 * MINUTE_US, 24 * HOUR_US)
