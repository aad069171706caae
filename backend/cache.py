"""What need not be asked of the database each time: in Redis when there is one, else in each process."""

import time
from functools import lru_cache

import redis

from backend.config import get_settings
from backend.middleware import track_cache_operation
from backend.observability import capture_exception


class InProcess:
    """As much of Redis as we need."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, bytes]] = {}

    def get(self, key: str) -> bytes | None:
        until_s, value = self._kept.get(key, (0.0, b""))
        return value if time.monotonic() < until_s else None

    def set(self, key: str, value: bytes, ex: int) -> None:
        self._kept[key] = (time.monotonic() + ex, value)

    def delete(self, key: str) -> None:
        self._kept.pop(key, None)


@lru_cache
def store() -> redis.Redis | InProcess:
    url = get_settings().REDIS_URL
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) if url else InProcess()


def read(key: str) -> bytes | str | None:
    """What was kept; None when there is nothing, or the cache is down: a cache must not stop what works without it."""
    try:
        value = store().get(key)
    except redis.RedisError as error:
        capture_exception(error, tags={"domain": "cache"}, level="warning")
        return None
    track_cache_operation("get", key, hit=value is not None)
    return value


def keep(key: str, value: bytes, lives_s: int) -> None:
    track_cache_operation("set", key)
    try:
        store().set(key, value, ex=lives_s)
    except redis.RedisError as error:
        capture_exception(error, tags={"domain": "cache"}, level="warning")


def forget(key: str) -> None:
    """Forget what has changed. Where the cache is down it lives as long as it was kept for."""
    track_cache_operation("delete", key)
    try:
        store().delete(key)
    except redis.RedisError as error:
        capture_exception(error, tags={"domain": "cache"}, level="warning")
