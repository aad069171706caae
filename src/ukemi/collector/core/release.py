"""
Releases: which of two is newer. Pure.

`package@version[+build]` is compared by version, as semver does it; any other name by when it was first seen. Source:
getsentry/relay's release parser, read 2026-11.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

_NAME: Final = re.compile(
    r"(?P<package>[^@\s]+)@(?P<numbers>\d{1,9}(?:\.\d{1,9}){0,3})(?:-?(?P<pre>[A-Za-z][0-9A-Za-z.-]*))?(?:\+(?P<build>[0-9A-Za-z.+-]+))?"
)
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")

_Pre = tuple[tuple[int, int, str], ...]


class Version(msgspec.Struct, frozen=True, order=False):
    package: str
    numbers: tuple[int, ...]
    """Always four: 1.0 is 1.0.0.0."""
    pre: str
    """`rc.1`; "" for a release proper."""
    build: str

    @property
    def order(self) -> tuple[tuple[int, ...], int, _Pre, str]:
        """What to sort by, within a package: a pre-release comes before its release, `rc.2` before `rc.10`."""
        return self.numbers, 0 if self.pre else 1, _pre_order(self.pre), self.build


class Release(msgspec.Struct, frozen=True):
    """A release as it was seen."""

    name: str
    first_seen_us: int


@lru_cache(maxsize=1024)
def read_version(name: str) -> Version | None:
    """The version in the name of a release; None when there is none: `1.2.3`, `app@v1`, a commit."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    numbers = [int(number) for number in match["numbers"].split(".")]
    if _COMMIT.fullmatch(name.rpartition("@")[2]):
        return None
    padded = (*numbers, *([0] * (4 - len(numbers))))
    return Version(match["package"], padded, match["pre"] or "", match["build"] or "")


def is_newer(one: Release, other: Release) -> bool:
    """Whether `one` came after `other`: by version where both have one of the same package, else by when each was first seen."""
    if one.name == other.name:
        return False
    mine, theirs = read_version(one.name), read_version(other.name)
    if mine is not None and theirs is not None and mine.package == theirs.package:
        return mine.order > theirs.order
    return one.first_seen_us > other.first_seen_us


def newest(releases: Iterable[Release]) -> Release | None:
    """The newest of them."""
    found: Release | None = None
    for release in sorted(releases, key=lambda release: (release.first_seen_us, release.name)):
        if found is None or is_newer(release, found):
            found = release
    return found


def _pre_order(pre: str) -> _Pre:
    """Numbers compare as numbers and come before words; rc10 is split as rc.10."""
    parts = re.findall(r"\d+|[A-Za-z-]+", pre)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
