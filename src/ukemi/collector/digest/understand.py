"""From a spooled item to an event that can be stored: scrub, read, normalise, fingerprint. Pure but for the ids it is given."""

import re
from collections.abc import Sequence

import msgspec

from ukemi.collector.core.clock import MINUTE_US, SECOND_US
from ukemi.collector.core.fingerprint import CURRENT, VERSIONS, Fingerprint, Versions, fingerprint
from ukemi.collector.core.issue import culprit, title
from ukemi.collector.digest.client import describe_client
from ukemi.collector.digest.trim import trim
from ukemi.collector.spool.item import ItemContext, SpoolItem
from ukemi.privacy import Rules, scrub, scrub_text
from ukemi.protocol.event import Event, Tree, decode_event, read_event, read_instant
from ukemi.protocol.vocabulary import ITEM_CATEGORIES, Category, Level

MAX_AGE_US = 30 * 86_400 * SECOND_US
MAX_ERRORS = 50
DRIFT_LIMIT_S = 55 * 60
"""From this difference on between the client's clock at sending and ours, its timestamps are shifted."""
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""An escaped NUL; an even number of backslashes before it are backslashes themselves."""
_RULE = re.compile(r"[@!#][a-z_:.-]{1,40}")


class Understood(msgspec.Struct, frozen=True):
    """An event ready to be stored."""

    project_id: int
    event_id: str
    """32 hex digits."""
    key_kind: str
    received_us: int
    occurred_us: int
    level: Level
    environment: str
    release: str
    platform: str
    user_key: str
    title: str
    culprit: str
    fingerprint: Fingerprint
    earlier_hash: bytes | None
    """Of the version that the project comes from, while its fingerprints still find their issues."""
    told_tags: dict[str, str]
    """Those of the event: what rules look at."""
    tags: dict[str, str]
    """Those of the event and those derived from it: what the issue's distribution counts."""
    content: bytes
    """The scrubbed event as JSON. No tree and no `Event`: a batch of them would be many objects to look after."""
    category: Category = "error"
    """What it counts under."""


class GroupedBy(msgspec.Struct, frozen=True):
    """Which versions of fingerprints a project uses."""

    version: int = CURRENT
    earlier: int | None = None
    """The one it comes from, if any."""
    versions: Versions = msgspec.field(default_factory=lambda: VERSIONS)


def understand(item: SpoolItem, rules: Rules, grouped_by: GroupedBy) -> Understood:
    """
    Make sense of one item of type `event`, or of a security report that became one.

    Raises:
        PayloadError: it is no JSON object.
    """
    context = msgspec.json.decode(item.context, type=ItemContext)
    raw, cut = trim(decode_event(_without_nul(item.payload)))
    raw = {**raw, "event_id": item.event_id, "contexts": describe_client(raw, context, item.key_kind)}
    if user := _with_address(raw, context, item.key_kind):
        raw["user"] = user
    if "_meta" in raw:
        raw["_meta"] = _remarks(raw["_meta"], rules)
    scrubbed = scrub(raw, rules)
    tree: Tree = scrubbed.tree if isinstance(scrubbed.tree, dict) else {}
    event = read_event(tree)
    occurred_us, clock = _occurred_us(event.at_s, context.sent_at, item.received_us)
    if event.at_s is None and tree.get("timestamp") is not None:
        clock = "invalid_data"
    defects = [*((name, "invalid_data") for name in event.defects), *([("timestamp", clock)] if clock else [])]
    tree, noted = _with_errors(tree, defects)
    if remarks := _merge(_merge(cut, scrubbed.remarks), noted):
        tree["_meta"] = _merge(tree.get("_meta"), remarks)
    event = msgspec.structs.replace(event, environment=event.environment or "production")
    return Understood(
        project_id=item.project_id,
        event_id=item.event_id,
        key_kind=item.key_kind,
        received_us=item.received_us,
        occurred_us=occurred_us,
        level=event.level,
        environment=event.environment,
        release=event.release,
        platform=event.platform,
        user_key=event.user.key,
        title=title(event),
        culprit=culprit(event),
        fingerprint=fingerprint(event, grouped_by.version, grouped_by.versions),
        earlier_hash=fingerprint(event, grouped_by.earlier, grouped_by.versions).hash if grouped_by.earlier else None,
        told_tags=event.tags,
        tags=_tags(event),
        content=msgspec.json.encode(tree),
        category=ITEM_CATEGORIES[item.item_type],
    )


def _occurred_us(at_s: float | None, sent_at: str | None, received_us: int) -> tuple[int, str]:
    """
    When it happened, and what was wrong with the client's clock, or "".

    The client's word, shifted when its clock is far off, and never in the future or long ago.
    """
    if at_s is None:
        return received_us, ""
    occurred_us, wrong = round(at_s * SECOND_US), ""
    sent_s = read_instant(sent_at)
    if sent_s is not None and abs(drift_us := received_us - round(sent_s * SECOND_US)) >= DRIFT_LIMIT_S * SECOND_US:
        occurred_us, wrong = occurred_us + drift_us, "clock_drift"
    if occurred_us > received_us + MINUTE_US:
        return received_us, "future_timestamp"
    if occurred_us < received_us - MAX_AGE_US:
        return received_us, "past_timestamp"
    return occurred_us, wrong


def _with_errors(tree: Tree, defects: Sequence[tuple[str, str]]) -> tuple[Tree, Tree]:
    """The event with a row in `errors` for each field that could not be taken as it came, and remarks at those of the top."""
    if not defects:
        return tree, {}
    rows: list[Tree] = []
    remarks: Tree = {}
    result = dict(tree)
    for name, kind in dict.fromkeys(defects):
        row: Tree = {"type": kind, "name": name}
        if name in tree:
            row["value"] = _short(tree[name])
            remarks[name] = {"": {"err": [kind], "val": row["value"]}}
            if kind == "invalid_data" and not isinstance(tree[name], dict | list):
                result[name] = None  # a list or object may be good in part, and its reader takes that
        rows.append(row)
    theirs = tree.get("errors")
    result["errors"] = [*(theirs[:MAX_ERRORS] if isinstance(theirs, list) else []), *rows[:MAX_ERRORS]]
    return result, remarks


def _short(value: object) -> object:
    """A value as a row of `errors` quotes it."""
    if isinstance(value, str | int | float | bool) or value is None:
        return value[:200] if isinstance(value, str) else value
    return msgspec.json.encode(value).decode()[:200]


def _with_address(raw: Tree, context: ItemContext, key_kind: str) -> Tree | None:
    """
    The user with the address that the client sent from, where the client asks for it; None when nothing changes.

    `{{auto}}` asks, and so does the SDK's setting `infer_ip: auto`; `never` forbids it. Old browser SDKs have no setting
    and mean it when they send a user without an address. A backend's own address says nothing of a person.
    """
    user = raw.get("user")
    known = user if isinstance(user, dict) else {}
    sdk = raw.get("sdk")
    settings = sdk.get("settings") if isinstance(sdk, dict) else None
    infer = settings.get("infer_ip") if isinstance(settings, dict) else None
    address = known.get("ip_address")
    if address == "{{auto}}":
        return {**known, "ip_address": context.client_ip if infer != "never" else None}
    if address or (user is not None and not isinstance(user, dict)):
        return None
    request = raw.get("request")
    env = request.get("env") if isinstance(request, dict) else None
    remote = env.get("REMOTE_ADDR") if isinstance(env, dict) else None
    if isinstance(remote, str) and remote and infer != "never":
        return {**known, "ip_address": remote[:128]}
    is_asked = infer == "auto" or (infer is None and known and raw.get("platform") == "javascript")
    if key_kind == "browser" and is_asked and context.client_ip:
        return {**known, "ip_address": context.client_ip}
    return None


def _tags(event: Event) -> dict[str, str]:
    derived = {
        "level": event.level,
        "environment": event.environment,
        "release": event.release,
        "server_name": event.server_name,
        "transaction": event.transaction,
        "browser": _name(event, "browser"),
        "os": _name(event, "client_os") or _name(event, "os"),
        "runtime": _name(event, "runtime"),
        "user": event.user.key,
    }
    return {**{key: value for key, value in derived.items() if value}, **event.tags}


def _name(event: Event, context: str) -> str:
    found = event.contexts.get(context, {})
    return " ".join(str(found[key]) for key in ("name", "version") if found.get(key))[:200]


def _without_nul(payload: bytes) -> bytes:
    r"""The JSON text without \u0000, which PostgreSQL refuses in text."""
    return _NUL.sub(rb"\1", payload) if b"u0000" in payload else payload


def _remarks(theirs: object, rules: Rules) -> Tree:
    """The client's remarks without what they quote: a remark may hold the original value, or the rest of a text."""
    kept: Tree = {}
    for key, entry in theirs.items() if isinstance(theirs, dict) else ():
        if key == "" and isinstance(entry, dict):
            rem = entry.get("rem")
            kept[""] = {"rem": [one for one in rem if _is_remark(one)]} if isinstance(rem, list) else {}
            if isinstance(entry.get("len"), int):
                kept[""]["len"] = entry["len"]
        elif isinstance(entry, dict):
            is_index = key.isdigit() and len(key) < 6
            kept[key if is_index else scrub_text(key, rules)] = _remarks(entry, rules)
    return kept


def _is_remark(value: object) -> bool:
    """Whether it is one as SDKs write it: `["@password:filter", "s", 0, 10]`. Nothing else can be told from a quote."""
    return (
        isinstance(value, list)
        and 1 < len(value) < 5
        and isinstance(value[0], str)
        and bool(_RULE.fullmatch(value[0]))
        and value[1] in ("x", "s", "m", "p", "a")
        and all(isinstance(position, int) for position in value[2:])
    )


def _merge(theirs: object, ours: Tree) -> Tree:
    """Two trees of remarks as one: the client's and ours, or two of ours."""
    if not isinstance(theirs, dict):
        return ours
    merged = dict(theirs)
    for key, value in ours.items():
        merged[key] = _merge(merged.get(key), value) if isinstance(value, dict) and key != "" else value
    return merged
