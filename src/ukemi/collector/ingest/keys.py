"""Client keys, looked up by every request and therefore kept in memory for a few seconds."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from ukemi.collector.store import projects
from ukemi.collector.store.database import Database
from ukemi.collector.store.errors import StoreError
from ukemi.protocol.vocabulary import Category

KEY_TTL_S: Final = 2.0
"""A new key works, and a disabled one stops working, within this time."""
_MAX_CACHED: Final = 10_000


class Key(msgspec.Struct, frozen=True):
    project_id: int
    public_key: str
    kind: str
    """server | browser"""
    is_enabled: bool
    limits: dict[Category, int] = {}
    """Items of a category accepted per minute from this key, beside those of its project."""


class KeySource(Protocol):
    def lookup(self, public_key: str) -> Key | None:
        """The key, from where it is stored; None when there is no such key. May block."""


class StoredKeys:
    """Keys from the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lookup(self, public_key: str) -> Key | None:
        with self._database.read() as tx:
            key = projects.key_by_public(tx, public_key)
        return Key(key.project_id, key.public_key, key.kind, key.is_enabled, key.limits) if key else None


class CachedKeys:
    """
    Keys of a source, each remembered for KEY_TTL_S, unknown ones too: a flood of wrong keys costs no queries each.

    However many requests bring a key, the source is asked for it once at a time, and again early enough that none of them
    has to wait. While the source does not answer, what is remembered counts for longer: envelopes are accepted without the
    database.
    """

    def __init__(
        self, source: KeySource, ttl_s: float = KEY_TTL_S, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._source, self._ttl_s, self._now_s = source, ttl_s, now_s
        self._cache: dict[str, tuple[float, Key | None]] = {}
        self._asking: dict[str, asyncio.Task[Key | None]] = {}

    async def lookup(self, public_key: str) -> Key | None:
        """
        Raises:
            StoreError: the source does not answer, and the key is not remembered.
        """
        read_s, key = self._cache.get(public_key, (float("-inf"), None))
        age_s = self._now_s() - read_s
        if age_s < self._ttl_s / 2:
            return key
        asking = self._asking.get(public_key)
        if asking is None:
            asking = self._asking[public_key] = asyncio.create_task(self._ask(public_key))
            asking.add_done_callback(lambda _: self._asking.pop(public_key))
        return key if age_s < self._ttl_s else await asyncio.shield(asking)  # one that goes away takes it from nobody

    async def _ask(self, public_key: str) -> Key | None:
        now_s = self._now_s()
        try:
            key = await asyncio.to_thread(self._source.lookup, public_key)
        except StoreError:
            if public_key not in self._cache:
                raise
            key = self._cache[public_key][1]
        if len(self._cache) >= _MAX_CACHED:
            self._cache.clear()
        self._cache[public_key] = (now_s, key)
        return key
