"""
Events: what grouping, counting, alerting and lists need of one, read tolerantly.

Only broken JSON, a non-object or excess size rejects an event. Every other defect costs the field, not the event, and is
noted in `Event.defects`. Unknown fields stay in the stored tree. Source: getsentry/relay's event schema, read 2026-11.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from ukemi.protocol.envelope import read_event_id
from ukemi.protocol.errors import PayloadError
from ukemi.protocol.vocabulary import Level

Tree = dict[str, Any]

MAX_FRAMES = 250
MAX_BREADCRUMBS = 100
MAX_TAGS = 200
_LEVELS: dict[object, Level] = {
    "debug": "debug",
    "info": "info",
    "log": "info",
    "warning": "warning",
    "error": "error",
    "fatal": "fatal",
    "critical": "fatal",
    10: "debug",
    20: "info",
    30: "warning",
    40: "error",
    50: "fatal",
}
_TAG_KEY = re.compile(r"[a-zA-Z0-9_.:-]{1,200}")
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
"""One escape of a JSON text; both halves of a surrogate pair together."""
_WIDE = re.compile(r"%(?:\([^)]*\))?[-+ #0]*(?:\*|\d{4}|\d*\.(?:\*|\d{4}))")
"""A hole that is filled up to a width of thousands, or to one that a parameter gives."""
_TYPE_IN_VALUE = re.compile(r"([A-Za-z_][\w.]{0,127}(?:Error|Exception|Warning|Interrupt|Exit)): (.+)", re.DOTALL)


class Frame(msgspec.Struct, frozen=True):
    module: str = ""
    function: str = ""
    filename: str = ""
    abs_path: str = ""
    lineno: int | None = None
    colno: int | None = None
    in_app: bool | None = None
    """Whether the client calls it the app's own code; None when it does not say."""
    pre_context: list[str] = []
    context_line: str | None = None
    post_context: list[str] = []
    vars: dict[str, Any] = {}


class ExceptionValue(msgspec.Struct, frozen=True):
    """One exception of a chain."""

    type: str = ""
    value: str = ""
    module: str = ""
    mechanism: str = ""
    handled: bool | None = None
    is_synthetic: bool = False
    is_group: bool = False
    exception_id: int | None = None
    """Number within the event, 0 for what was thrown; given in groups."""
    parent_id: int | None = None
    source: str = ""
    """How it hangs on its parent: `__cause__`, `__context__`, `exceptions[0]`, `errors[0]`."""
    frames: list[Frame] = []
    """Outermost call first, the crash last."""


class Breadcrumb(msgspec.Struct, frozen=True):
    at_s: float | None = None
    """Seconds since the epoch, on the client's clock."""
    category: str = ""
    level: str = "info"
    message: str = ""
    data: dict[str, Any] = {}


class User(msgspec.Struct, frozen=True):
    id: str = ""
    email: str = ""
    username: str = ""
    ip_address: str = ""
    data: dict[str, Any] = {}
    """Everything else the client told: role, tier …"""

    @property
    def key(self) -> str:
        """What counts as one user: the first that is known of id, user name, e-mail, address; "" when nothing is."""
        for name in ("id", "username", "email", "ip_address"):
            if value := getattr(self, name):
                return f"{name}:{value}"[:200]
        return ""


class Request(msgspec.Struct, frozen=True):
    url: str = ""
    method: str = ""
    query: str = ""
    headers: list[tuple[str, str]] = []
    cookies: dict[str, Any] = {}
    data: Any = None

    def header(self, name: str) -> str:
        """Value of a header, whatever its case; "" when it is missing."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


class Event(msgspec.Struct, frozen=True):
    event_id: str | None = None
    at_s: float | None = None
    """Seconds since the epoch on the client's clock; None when missing or unreadable."""
    platform: str = "other"
    level: Level = "error"
    logger: str = ""
    message: str = ""
    """What is shown: the formatted text."""
    template: str = ""
    """What groups: the text before its parameters were put in."""
    exceptions: list[ExceptionValue] = []
    """Oldest cause first; the last one is what was thrown."""
    breadcrumbs: list[Breadcrumb] = []
    tags: dict[str, str] = {}
    release: str = ""
    environment: str = ""
    transaction: str = ""
    server_name: str = ""
    fingerprint: list[str] = []
    """Empty when the client left grouping to us."""
    user: User = User()
    request: Request = Request()
    contexts: dict[str, dict[str, Any]] = {}
    extra: dict[str, Any] = {}
    sdk_name: str = ""
    sdk_version: str = ""
    defects: list[str] = []
    """Names of fields that could not be read."""


def decode_event(payload: bytes) -> Tree:
    """
    The JSON tree of an event.

    Raises:
        PayloadError: broken JSON, nested too deep, or no object.
    """
    try:
        try:
            tree = msgspec.json.decode(payload)
        except msgspec.DecodeError:
            tree = msgspec.json.decode(_ESCAPE.sub(_without_half_pairs, payload))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise PayloadError("bad_json", "The event is not JSON.") from error
    if not isinstance(tree, dict):
        raise PayloadError("not_an_object", "The event is JSON, but not an object.")
    return tree


def _without_half_pairs(escape: re.Match[bytes]) -> bytes:
    """
    An escape as it is, or U+FFFD for half of a surrogate pair.

    JavaScript cuts emoji in two, and Python's json writes file names that it cannot decode so.
    """
    is_half = escape[0][1:2] == b"u" and len(escape[0]) == 6 and 0xD8 <= int(escape[0][2:4], 16) <= 0xDF
    return rb"\ufffd" if is_half else escape[0]


def read_event(tree: Tree) -> Event:
    """Read what we need of a (scrubbed) event. Never fails: what cannot be read is left out and named in `defects`."""
    defects: list[str] = []
    message, template = _read_message(tree)
    exceptions = [value for raw in _values(tree.get("exception")) if (value := _read_exception(raw, defects))]
    if len(exceptions) == 1 and not exceptions[0].frames and isinstance(tree.get("stacktrace"), dict):
        frames = _read_frames(tree["stacktrace"], defects)
        exceptions = [msgspec.structs.replace(exceptions[0], frames=frames)]
    raw_level = tree.get("level")
    level = _LEVELS.get(raw_level) if isinstance(raw_level, str | int) else None
    if raw_level is not None and level is None:
        defects.append("level")
    sdk = tree.get("sdk") if isinstance(tree.get("sdk"), dict) else {}
    contexts = tree.get("contexts")
    return Event(
        event_id=read_event_id(tree.get("event_id")),
        at_s=read_instant(tree.get("timestamp")),
        platform=_text(tree.get("platform"), 64) or "other",
        level=level or "error",
        logger=_text(tree.get("logger"), 64),
        message=message,
        template=template,
        exceptions=exceptions,
        breadcrumbs=[c for raw in _values(tree.get("breadcrumbs"))[-MAX_BREADCRUMBS:] if (c := _read_breadcrumb(raw))],
        tags=_read_tags(tree.get("tags"), defects),
        release=_read_release(tree.get("release"), defects),
        environment=_read_environment(tree.get("environment"), defects),
        transaction=_text(tree.get("transaction"), 200),
        server_name=_text(tree.get("server_name"), 200),
        fingerprint=_read_fingerprint(tree.get("fingerprint"), defects),
        user=_read_user(tree.get("user"), defects),
        request=_read_request(tree.get("request"), defects),
        contexts={_text(k, 64): v for k, v in contexts.items() if isinstance(v, dict)}
        if isinstance(contexts, dict)
        else {},
        extra=tree["extra"] if isinstance(tree.get("extra"), dict) else {},
        sdk_name=_text((sdk or {}).get("name"), 64),
        sdk_version=_text((sdk or {}).get("version"), 64),
        defects=defects,
    )


def read_request(tree: Tree) -> Request:
    """The request of an event, of which nothing else is read."""
    return _read_request(tree.get("request"), [])


def read_instant(value: object) -> float | None:
    """Seconds since the epoch from a number or an RFC 3339 text (no zone means UTC); None when it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        # Milliseconds, numbers before 1970 and after 2100 are no instants.
        return float(value) if 0 < value < 4_102_444_800 else None
    if isinstance(value, str) and 10 <= len(value) <= 40:
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            return None
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
    return None


def _text(value: object, limit: int) -> str:
    """Text of a scalar, cut at `limit`; "" for null, lists and objects."""
    if isinstance(value, str):
        return value[:limit]
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return str(value)[:limit]
    return ""


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31 else None


def _values(value: object) -> list[Any]:
    """The three shapes of a list on the wire, as a list: a bare one, `{"values": […]}`, a single object."""
    if isinstance(value, dict):
        value = value.get("values", [value])
    return [entry for entry in value if entry is not None] if isinstance(value, list) else []


def _read_message(tree: Tree) -> tuple[str, str]:
    entry = tree.get("logentry")
    if entry is None:
        entry = tree.get("message")
    if isinstance(entry, dict):
        template = _text(entry.get("message"), 8192)
        formatted = _text(entry.get("formatted"), 8192) or _format(template, entry.get("params"))
        return formatted or template, template or formatted
    text = _text(entry, 8192)
    return text, text


def _format(template: str, params: object) -> str:
    """The template with its parameters put in, where that works; the template itself otherwise."""
    try:
        if isinstance(params, list) and "%" in template and not _WIDE.search(template):
            return (template % tuple(params))[:8192]
        if isinstance(params, dict) and "%(" in template and not _WIDE.search(template):
            return (template % params)[:8192]
    except (TypeError, ValueError, KeyError, OverflowError):
        pass
    if isinstance(params, list):  # never str.format: a stranger's template could reach into objects
        for index, param in enumerate(params[:20]):
            for hole in ("{" + str(index) + "}", "{}"):
                if hole in template:
                    template = template.replace(hole, _text(param, 1000), 1)
                    break
    return template[:8192]


def _read_exception(raw: object, defects: list[str]) -> ExceptionValue | None:
    if not isinstance(raw, dict):
        defects.append("exception")
        return None
    kind, value = _text(raw.get("type"), 256), raw.get("value")
    value = msgspec.json.encode(value).decode() if isinstance(value, dict | list) else _text(value, 8192)
    if not kind and (match := _TYPE_IN_VALUE.fullmatch(value)):
        kind, value = match[1], match[2]
    stacktrace = raw.get("stacktrace")
    frames = _read_frames(stacktrace, defects) if isinstance(stacktrace, dict) else []
    if not kind and not value and not frames:
        return None
    mechanism = raw.get("mechanism") if isinstance(raw.get("mechanism"), dict) else {}
    handled = (mechanism or {}).get("handled")
    return ExceptionValue(
        type=kind,
        value=value[:8192],
        module=_text(raw.get("module"), 256),
        mechanism=_text((mechanism or {}).get("type"), 64),
        handled=handled if isinstance(handled, bool) else None,
        is_synthetic=bool((mechanism or {}).get("synthetic")),
        is_group=(mechanism or {}).get("is_exception_group") is True,
        exception_id=_number((mechanism or {}).get("exception_id")),
        parent_id=_number((mechanism or {}).get("parent_id")),
        source=_text((mechanism or {}).get("source"), 64),
        frames=frames,
    )


def _read_frames(stacktrace: Tree, defects: list[str]) -> list[Frame]:
    frames = stacktrace.get("frames")
    if not isinstance(frames, list):
        return []
    return [_read_frame(raw, defects) for raw in frames[-MAX_FRAMES:] if isinstance(raw, dict)]


def _read_frame(raw: Tree, defects: list[str]) -> Frame:
    def number(name: str) -> int | None:
        value = raw.get(name)
        if value is None:
            return None
        if (number := _number(value)) is None:
            defects.append(f"frame.{name}")
        return number

    def lines(name: str) -> list[str]:
        value = raw.get(name)
        return [_text(line, 1000) for line in value[:20]] if isinstance(value, list) else []

    filename, abs_path = _text(raw.get("filename"), 256), _text(raw.get("abs_path"), 1024)
    variables = raw.get("vars")
    context_line, in_app = raw.get("context_line"), raw.get("in_app")
    return Frame(
        module=_text(raw.get("module"), 256),
        function=_text(raw.get("function"), 512).removeprefix("?"),
        filename=filename or abs_path,
        abs_path=abs_path or filename,
        lineno=number("lineno"),
        colno=number("colno"),
        in_app=in_app if isinstance(in_app, bool) else None,
        pre_context=lines("pre_context"),
        context_line=_text(context_line, 1000) if context_line is not None else None,
        post_context=lines("post_context"),
        vars=variables if isinstance(variables, dict) else {},
    )


def _read_breadcrumb(raw: object) -> Breadcrumb | None:
    if not isinstance(raw, dict):
        return None
    data = raw.get("data")
    return Breadcrumb(
        at_s=read_instant(raw.get("timestamp")),
        category=_text(raw.get("category"), 128) or _text(raw.get("type"), 128),
        level=_text(raw.get("level"), 16) or "info",
        message=_text(raw.get("message"), 8192),
        data=data if isinstance(data, dict) else {},
    )


def _pairs(value: object) -> Iterator[tuple[object, object]]:
    """Key and value, from an object or from a list of pairs."""
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        for entry in value:
            if isinstance(entry, list) and len(entry) == 2:
                yield entry[0], entry[1]


def _read_tags(value: object, defects: list[str]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for key, content in _pairs(value):
        if content is None:
            continue
        name, text = _text(key, 200).strip().replace(" ", "-"), _text(content, 200).strip()
        if not _TAG_KEY.fullmatch(name) or not text or "\n" in text or isinstance(content, dict | list):
            defects.append("tags")
        elif len(tags) < MAX_TAGS:
            tags.setdefault(name, text)
    return tags


def _read_release(value: object, defects: list[str]) -> str:
    release = _text(value, 201).strip()
    if release in {"latest", ".", ".."} or len(release) > 200 or any(c in release for c in "/\\\n"):
        defects.append("release")
        return ""
    return release


def _read_environment(value: object, defects: list[str]) -> str:
    environment = value.strip() if isinstance(value, str) else ""
    if environment.lower() == "none" or len(environment) > 64 or any(c in environment for c in "/\n"):
        defects.append("environment")
        return ""
    return environment


def _read_fingerprint(value: object, defects: list[str]) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or any(isinstance(part, dict | list) for part in value):
        defects.append("fingerprint")
        return []
    return [_text(part, 1000) for part in value[:20] if part is not None]


def _read_user(value: object, defects: list[str]) -> User:
    if not isinstance(value, dict):
        if value is not None:
            defects.append("user")
        return User()
    known = {"id", "email", "username", "ip_address", "data"}
    data = value.get("data")
    return User(
        id=_text(value.get("id"), 128),
        email=_text(value.get("email"), 256),
        username=_text(value.get("username"), 256),
        ip_address=_text(value.get("ip_address"), 128),
        data={**(data if isinstance(data, dict) else {}), **{k: v for k, v in value.items() if k not in known}},
    )


def _read_request(value: object, defects: list[str]) -> Request:
    if not isinstance(value, dict):
        if value is not None:
            defects.append("request")
        return Request()
    url, _, query_in_url = _text(value.get("url"), 4096).partition("?")
    query = value.get("query_string")
    if isinstance(query, dict | list):
        query = "&".join(f"{_text(k, 200)}={_text(v, 1000)}" for k, v in _pairs(query))
    cookies = value.get("cookies")
    return Request(
        url=url[:1024],
        method=_text(value.get("method"), 16).upper(),
        query=(_text(query, 4096) or query_in_url)[:4096],
        headers=[(_text(k, 200), _text(v, 4096)) for k, v in _pairs(value.get("headers"))][:100],
        cookies=cookies if isinstance(cookies, dict) else {},
        data=value.get("data"),
    )
