"""Client keys, looked up by every request and therefore kept in memory for a few seconds."""

import asyncio
import time
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

    While the source does not answer, what is remembered counts for longer: envelopes are accepted without the database.
    """

    def __init__(self, source: KeySource, ttl_s: float = KEY_TTL_S) -> None:
        self._source, self._ttl_s = source, ttl_s
        self._cache: dict[str, tuple[float, Key | None]] = {}

    async def lookup(self, public_key: str) -> Key | None:
        """
        Raises:
            StoreError: the source does not answer, and the key is not remembered.
        """
        now_s = time.monotonic()
        cached = self._cache.get(public_key)
        if cached and now_s - cached[0] < self._ttl_s:
            return cached[1]
        try:
            key = await asyncio.to_thread(self._source.lookup, public_key)
        except StoreError:
            if cached is None:
                raise
            key = cached[1]
        if len(self._cache) >= _MAX_CACHED:
            self._cache.clear()
        self._cache[public_key] = (now_s, key)
        return key
