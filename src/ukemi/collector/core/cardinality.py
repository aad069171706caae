"""How many different names strangers may make us count under. Pure but for what it remembers."""

from collections.abc import Hashable, Iterable


class Cap:
    """Lets the first `limit` different keys of each period pass; asked again for one that passed, it passes again."""

    def __init__(self, limit: int, period_us: int) -> None:
        self._limit, self._period_us = limit, period_us
        self._period = -1
        self._known: dict[Hashable, set[Hashable]] = {}

    def admits(self, owner: Hashable, key: Hashable, now_us: int) -> bool:
        """Whether `key` may be counted under its own name for `owner`, a project say."""
        if (period := now_us // self._period_us) != self._period:
            self._period, self._known = period, {}
        known = self._known.setdefault(owner, set())
        if key in known:
            return True
        if len(known) >= self._limit:
            return False
        known.add(key)
        return True

    def knows(self, owner: Hashable, now_us: int) -> bool:
        """Whether anything is remembered of `owner` in this period; if not, `remember` what the store knows."""
        return now_us // self._period_us == self._period and owner in self._known

    def remember(self, owner: Hashable, keys: Iterable[Hashable], now_us: int) -> None:
        """Take note of keys that passed before this process began."""
        if (period := now_us // self._period_us) != self._period:
            self._period, self._known = period, {}
        self._known.setdefault(owner, set()).update(keys)
