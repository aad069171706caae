"""What is wrong with ukemi itself: where each incident opens, where it closes, and that between the two nothing flaps."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.collector.core.clock import SECOND_US
from ukemi.collector.core.own_health import (
    CHANNEL,
    DISK,
    NOBODY,
    QUOTA,
    SPOOL,
    FailingChannel,
    Reading,
    findings,
    why_over,
)

NOW_US = 1_767_225_600_000_000
GIB = 1 << 30


def reading(**fields: object) -> Reading:
    well = Reading(
        machine="box",
        spool_age_s=0.0,
        disk_free=50 * GIB,
        disk_bytes=100 * GIB,
        refused={},
        refused_before=set(),
        failing={},
        channels=["slack", "webhook"],
    )
    return msgspec.structs.replace(well, **fields)


def failing(seconds: float, *, is_refusing: bool = False) -> dict[str, FailingChannel]:
    return {"slack": FailingChannel(NOW_US - round(seconds * SECOND_US), is_refusing, "The channel answered 500.")}


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({}, []),
        ({"spool_age_s": 60.0}, []),
        ({"spool_age_s": 61.0}, [(SPOOL, "box")]),
        ({"spool_age_s": None}, []),
        ({"disk_free": 5 * GIB}, []),
        ({"disk_free": 4 * GIB}, [(DISK, "box")]),
        ({"disk_free": GIB - 1, "disk_bytes": 2 * GIB}, [(DISK, "box")]),
        ({"refused": {"Shop": 3}, "refused_before": {"Shop"}}, [(QUOTA, "Shop")]),
        ({"failing": failing(119)}, []),
        ({"failing": failing(120)}, [(CHANNEL, "slack")]),
        ({"failing": failing(0, is_refusing=True)}, [(CHANNEL, "slack")]),
        ({"channels": []}, [(NOBODY, "")]),
    ],
)
def test_what_is_bad_enough_opens_an_incident(fields: dict, keys: list) -> None:
    assert [one.key for one in findings(reading(**fields), NOW_US)] == keys


@pytest.mark.parametrize(
    ("key", "fields", "is_over"),
    [
        ((SPOOL, "box"), {"spool_age_s": 10.0}, False),
        ((SPOOL, "box"), {"spool_age_s": 9.0}, True),
        ((SPOOL, "box"), {"spool_age_s": None}, False),
        ((SPOOL, "other"), {}, False),
        ((DISK, "box"), {"disk_free": 8 * GIB}, False),
        ((DISK, "box"), {"disk_free": 9 * GIB}, True),
        ((QUOTA, "Shop"), {"refused_before": {"Shop"}}, False),
        ((QUOTA, "Shop"), {}, True),
        ((CHANNEL, "slack"), {"failing": failing(1)}, False),
        ((CHANNEL, "slack"), {}, True),
        ((CHANNEL, "pager"), {}, True),
        ((NOBODY, ""), {"channels": []}, False),
        ((NOBODY, ""), {}, True),
    ],
)
def test_an_incident_closes_when_it_is_well_over(key: tuple[str, str], fields: dict, is_over: bool) -> None:
    assert (why_over(key, reading(**fields)) is not None) is is_over


@given(
    st.builds(
        reading,
        spool_age_s=st.none() | st.floats(0, 1e6),
        disk_free=st.integers(0, 100 * GIB),
        refused=st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 9)),
        failing=st.sampled_from([{}, failing(0), failing(500), failing(0, is_refusing=True)]),
        channels=st.sampled_from([[], ["slack"]]),
    )
)
def test_what_opens_is_not_over_at_once(found: Reading) -> None:
    """Else one would open and close with every look."""
    seen = msgspec.structs.replace(found, refused_before=set(found.refused))
    for one in findings(seen, NOW_US):
        if one.key[0] != CHANNEL or "slack" in seen.channels:
            assert why_over(one.key, seen) is None
