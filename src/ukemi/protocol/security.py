"""
Security reports: what a browser refused to do because the page's policy forbids it. They become events.

Both shapes of a Content-Security-Policy report are read, and Expect-CT, Expect-Staple and HPKP by their host. Source:
w3.org/TR/CSP3, getsentry/relay's security report schema, read 2026-11.
"""

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ukemi.protocol.errors import PayloadError
from ukemi.protocol.event import Tree

MAX_REPORTS = 100
_EXTENSIONS = (
    "chrome-extension",
    "moz-extension",
    "safari-extension",
    "safari-web-extension",
    "webkit-masked-url",
    "edge",
)
_OLD_KINDS = {
    "expect-ct-report": "expectct",
    "expect-staple-report": "expectstaple",
    "known-pins": "hpkp",
}
_DIRECTIVES = frozenset(
    """base-uri child-src connect-src default-src font-src form-action frame-ancestors frame-src img-src manifest-src
    media-src navigate-to object-src plugin-types prefetch-src referrer report-to require-sri-for require-trusted-types-for
    sandbox script-src script-src-attr script-src-elem style-src style-src-attr style-src-elem trusted-types
    upgrade-insecure-requests worker-src block-all-mixed-content fenced-frame-src""".split()
)


def split_reports(body: bytes) -> list[bytes]:
    """
    The reports of one request: browsers send one object, or a list of them.

    Raises:
        PayloadError: neither.
    """
    try:
        found = msgspec.json.decode(body, type=dict[str, msgspec.Raw] | list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise PayloadError("bad_json", "The security report is neither a JSON object nor a list.") from error
    return [bytes(report) for report in found[:MAX_REPORTS]] if isinstance(found, list) else [body]


def read_security_report(payload: bytes, release: str, environment: str, user_agent: str) -> Tree:
    """
    The event that a report becomes.

    Raises:
        PayloadError: it is no report that we know.
    """
    try:
        tree = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise PayloadError("bad_json", "The security report is not JSON.") from error
    event = _csp(tree) or _old(tree)
    if event is None:
        raise PayloadError("bad_security_report", "The security report is of no kind that we know.")
    event |= {"platform": "javascript", "release": release, "environment": environment}
    event["request"] |= {"headers": [["User-Agent", user_agent]] if user_agent else []}
    return event


def is_of_extension(event: Tree) -> bool:
    """Whether a browser extension caused the report, not the page: most of the noise."""
    report = event.get("csp", {})
    return any(str(report.get(name, "")).lower().startswith(_EXTENSIONS) for name in ("source_file", "blocked_uri"))


def _csp(tree: Any) -> Tree | None:
    if not isinstance(tree, dict):
        return None
    raw = tree.get("csp-report") or tree.get("csp_report")
    if raw is None and tree.get("type") == "csp-violation":
        raw = tree.get("body")
    if not isinstance(raw, dict):
        return None
    report = {_snake(key): value for key, value in raw.items() if isinstance(value, str | int | float)}

    def text(*names: str) -> str:
        return next((str(report[name])[:2048] for name in names if report.get(name)), "")

    directive = _directive(text("effective_directive")) or _directive(text("violated_directive"))
    if not directive:
        return None
    page = text("document_uri", "document_url")
    blocked = _without_query(text("blocked_uri", "blocked_url") or "self")
    source = text("source_file")
    kept = {
        "effective_directive": directive,
        "violated_directive": text("violated_directive"),
        "blocked_uri": blocked,
        "document_uri": page,
        "source_file": source,
        "original_policy": text("original_policy"),
        "disposition": text("disposition"),
        "referrer": text("referrer"),
        "script_sample": text("script_sample", "sample"),
        "line_number": text("line_number"),
        "column_number": text("column_number"),
        "status_code": text("status_code"),
    }
    host = _host(blocked, page)
    return {
        "type": "csp",
        "logger": "csp",
        "level": "error",
        "message": _csp_message(directive, host),
        "csp": {name: value for name, value in kept.items() if value},
        "transaction": (text("violated_directive") or directive).split(";")[0][:200],
        "fingerprint": ["csp", directive, host],
        "tags": {"effective-directive": directive, "blocked-uri": blocked[:200]},
        "request": {"url": page},
    }


def _old(tree: Any) -> Tree | None:
    if not isinstance(tree, dict):
        return None
    name = next((name for name in _OLD_KINDS if name in tree), None)
    if name is None:
        return None
    report = tree.get(name) if isinstance(tree.get(name), dict) else tree
    host = str((report or {}).get("hostname", ""))[:200]
    kind = _OLD_KINDS[name]
    what = {"expectct": "Expect-CT", "expectstaple": "Expect-Staple", "hpkp": "Public key pinning"}[kind]
    return {
        "type": kind,
        "logger": "csp",
        "level": "error",
        "message": f"{what} failed for '{host}'",
        kind: report,
        "fingerprint": [kind, host],
        "tags": {"hostname": host} if host else {},
        "request": {"url": host},
    }


def _csp_message(directive: str, host: str) -> str:
    what = directive.removesuffix("-elem").removesuffix("-attr").removesuffix("-src")
    if host in ("inline", "eval"):
        return f"Blocked unsafe {host} '{what}'"
    return f"Blocked '{what}' from '{host or 'self'}'"


def _directive(text: str) -> str:
    word = text.strip().split(" ", 1)[0].lower()
    return word if word in _DIRECTIVES else ""


def _host(blocked: str, page: str) -> str:
    """What was blocked, without its path: `host[:port]` of http(s), else the scheme or the word that stands there."""
    try:
        url, own = urlsplit(blocked), urlsplit(page)
    except ValueError:
        return ""
    if url.scheme in ("http", "https") and url.netloc:
        netloc = url.netloc.rpartition("@")[2][:200]
        return "self" if netloc == own.netloc else netloc
    return (url.scheme or blocked)[:100]


def _without_query(url: str) -> str:
    """Queries and fragments of what was blocked carry other people's secrets."""
    return url.split("?", 1)[0].split("#", 1)[0]


def _snake(key: str) -> str:
    """`blocked-uri`, `blockedURL`, `blocked_uri` as `blocked_uri`, `blocked_url`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key.replace("-", "_"))
    return spaced.lower()
