"""
Trimming: what one event may take in the store, whatever a client sends. What is cut leaves a remark in `_meta`.

One walk for all of it: lengths of texts and lists, and depth. Limits: getsentry/relay's
event schema, read 2026-11, but for source lines, which it leaves alone: those of minified scripts are as long as the script.
"""

from typing import Any, Final

from ukemi.protocol.event import MAX_BREADCRUMBS, MAX_FRAMES, Tree

MAX_DEPTH: Final = 60
MAX_TEXT: Final = 8192
MAX_ENTRIES: Final = 1000
TOO_DEEP: Final = "<nested too deep>"
_TEXT_LIMITS: Final = {
    "pre_context": 500,
    "context_line": 500,
    "post_context": 500,
    "vars": 2048,
    "extra": 16_384,
    "query_string": 4096,
    "headers": 4096,
    "cookies": 4096,
}
"""Of the texts below such a key."""
SHORT: Final = min(MAX_TEXT, *_TEXT_LIMITS.values())
"""What is no longer than this stays wherever it stands: nearly all texts."""
_LAST: Final = {"frames": MAX_FRAMES, "breadcrumbs": MAX_BREADCRUMBS}
"""Of such a list the end is kept: the crash, the latest steps."""
_UNTOUCHED: Final = {"_meta"}

_Kept = tuple[Any, Tree | None]


def trim(tree: Tree) -> tuple[Tree, Tree]:
    """The event within its limits, and remarks where something was cut. What is within them comes back as it is."""
    kept, remarks = _object(tree, MAX_TEXT, 0)
    return kept, remarks or {}


def _object(value: dict[str, Any], limit: int, depth: int) -> _Kept:
    changed: dict[str, Any] = {}
    remarks: Tree = {}
    for key, entry in value.items():
        kind = type(entry)
        if kind is str:
            if len(entry) <= SHORT:
                continue
            kept, remark = _text(entry, _TEXT_LIMITS.get(key, limit) if limit == MAX_TEXT else limit)
        elif kind is dict or kind is list:
            if depth >= MAX_DEPTH:
                kept, remark = TOO_DEEP, _removed(len(entry))
            elif kind is dict:
                if depth == 0 and key in _UNTOUCHED:
                    continue
                kept, remark = _object(entry, _TEXT_LIMITS.get(key, limit), depth + 1)
            else:
                kept, remark = _list(entry, _TEXT_LIMITS.get(key, limit), depth + 1, key)
        else:
            continue
        if kept is not entry:
            changed[key] = kept
            if remark:
                remarks[key] = remark
    if not changed and len(value) <= MAX_ENTRIES:
        return value, None
    result = {key: changed.get(key, entry) for key, entry in list(value.items())[:MAX_ENTRIES]}
    if len(value) > MAX_ENTRIES:
        remarks[""] = _removed(len(value))[""]
    return result, remarks or None


def _list(value: list[Any], limit: int, depth: int, name: str) -> _Kept:
    remarks: Tree = {}
    entries = value
    most = _LAST.get(name) or (_LAST["breadcrumbs"] if name == "values" and depth == 2 else MAX_ENTRIES)
    if len(value) > most:
        entries = value[-most:] if most != MAX_ENTRIES else value[:most]
        remarks[""] = _removed(len(value))[""]
    result: list[Any] | None = None
    for index, entry in enumerate(entries):
        kind = type(entry)
        if kind is dict:
            kept, remark = (TOO_DEEP, _removed(len(entry))) if depth >= MAX_DEPTH else _object(entry, limit, depth + 1)
        elif kind is str:
            if len(entry) <= SHORT:
                continue
            kept, remark = _text(entry, limit)
        elif kind is list:
            kept, remark = (
                (TOO_DEEP, _removed(len(entry))) if depth >= MAX_DEPTH else _list(entry, limit, depth + 1, "")
            )
        else:
            continue
        if kept is not entry:
            result = list(entries) if result is None else result
            result[index] = kept
            if remark:
                remarks[str(index)] = remark
    return (entries if result is None else result), remarks or None


def _text(value: str, limit: int) -> _Kept:
    if len(value) <= limit:
        return value, None
    return f"{value[: limit - 3]}...", {"": {"rem": [["!limit", "s", limit - 3, limit]], "len": len(value)}}


def _removed(length: int) -> Tree:
    """The remark of a list or object of which only a part is kept."""
    return {"": {"rem": [["!limit", "x"]], "len": length}}
