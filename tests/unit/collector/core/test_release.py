"""Releases: which of two is newer."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ukemi.collector.core.release import Release, is_newer, newest, read_version


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("api@2.3.4+567", ("api", (2, 3, 4, 0), "", "567")),
        ("api@2.0rc1", ("api", (2, 0, 0, 0), "rc1", "")),
        ("api@1.0-alpha.1", ("api", (1, 0, 0, 0), "alpha.1", "")),
        ("api@1.2.3.4", ("api", (1, 2, 3, 4), "", "")),
        ("wwmaa-backend@1.0.0", ("wwmaa-backend", (1, 0, 0, 0), "", "")),
    ],
)
def test_a_version_is_read_from_the_name(name, expected):
    version = read_version(name)

    assert version is not None
    assert (version.package, version.numbers, version.pre, version.build) == expected


@pytest.mark.parametrize(
    "name",
    [
        "1.2.3",
        "v1.2.3",
        "app@v1.2.3",
        "app@abc",
        "a@b@1",
        "3f9a" * 10,
        "api@" + "3f9a" * 10,
        "api@20417384",
        "api@",
        "",
        "@1",
    ],
)
def test_other_names_have_no_version(name):
    assert read_version(name) is None


ORDERED = [
    "a@1.0-alpha.1",
    "a@1.0-rc.2",
    "a@1.0-rc.10",
    "a@1.0",
    "a@1.0+2",
    "a@1.0.1",
    "a@1.2",
    "a@1.10",
    "a@2.0rc1",
    "a@2.0",
]


@pytest.mark.parametrize(("older", "newer"), list(itertools.pairwise(ORDERED)))
def test_versions_of_a_package_are_ordered_whenever_they_were_seen(older, newer):
    assert is_newer(Release(newer, 1), Release(older, 2))
    assert not is_newer(Release(older, 2), Release(newer, 1))


@pytest.mark.parametrize(("one", "other"), [("abc1", "def2"), ("a@1.0", "b@2.0"), ("a@9", "a@" + "c" * 40)])
def test_names_that_cannot_be_compared_are_ordered_by_when_they_were_seen(one, other):
    assert is_newer(Release(one, 2), Release(other, 1))
    assert not is_newer(Release(one, 1), Release(other, 2))


def test_a_trailing_zero_makes_no_newer_release():
    assert not is_newer(Release("a@1.0.0", 2), Release("a@1.0", 1))
    assert not is_newer(Release("a@1.0", 1), Release("a@1.0.0", 2))


@given(st.text(max_size=30), st.text(max_size=30), st.integers(0, 3), st.integers(0, 3))
def test_of_two_at_most_one_is_newer(one, other, first_us, second_us):
    a, b = Release(one, first_us), Release(other, second_us)

    assert not (is_newer(a, b) and is_newer(b, a))


def test_the_newest_is_newer_than_all_others():
    seen = [Release(name, number) for number, name in enumerate(reversed(ORDERED))]

    assert newest(seen) == Release("a@2.0", 0)
    assert newest([]) is None
