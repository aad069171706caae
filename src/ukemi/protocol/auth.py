"""
Which client key a request carries. SDKs put it in a header, in the query or in the envelope; all forms are understood.

Source: develop.sentry.dev/sdk/foundations/transport/authentication, read 2026-11, and what real SDKs send.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from ukemi.protocol.dsn import read_dsn
from ukemi.protocol.errors import AuthError, BadDsn, NoKey

_PAIR = re.compile(r"([a-z_]+)\s*=\s*([^,\s]*)")
_KEY = re.compile(r"[0-9a-zA-Z_]{1,64}")


@dataclass(frozen=True)
class Auth:
    public_key: str
    client: str
    """`name/version` as the SDK calls itself; "" when it does not say."""


def read_auth(
    headers: Mapping[str, str], query_string: str, envelope_dsn: str | None = None, path_key: str | None = None
) -> Auth:
    """
    The key of a request.

    Args:
        headers: with lower-case names.
        envelope_dsn: the `dsn` of the envelope header, where a tunnel leaves the only key, or of the crash modal's query.
        path_key: the segment of the path that is the key, where an endpoint has one.

    Raises:
        NoKey: no key.
        AuthError: a malformed one, or several that differ.
    """
    found: list[tuple[str, str]] = [(path_key, "")] if path_key else []
    for name in ("x-sentry-auth", "authorization"):
        value = headers.get(name, "")
        scheme, _, rest = value.partition(" ")
        if scheme.lower() == "sentry":
            pairs = dict(_PAIR.findall(rest))
            if "sentry_key" in pairs:
                found.append((unquote(pairs["sentry_key"]), unquote(pairs.get("sentry_client", ""))))
        elif scheme.lower() == "basic":
            found.extend(_read_basic(rest))
    try:
        query = parse_qs(query_string, max_num_fields=50) if "sentry_key" in query_string else {}
    except ValueError as error:
        raise AuthError("The query of the request has more than 50 fields.") from error
    if "sentry_key" in query:
        found.append((query["sentry_key"][0], query.get("sentry_client", [""])[0]))
    if envelope_dsn:
        try:
            found.append((read_dsn(envelope_dsn).public_key, ""))
        except BadDsn as error:
            raise AuthError(f"The DSN in the envelope header cannot be read: {error}") from error
    if not found:
        raise NoKey("The request carries no key: neither X-Sentry-Auth, nor sentry_key in the query, nor a DSN.")
    if len({key for key, _ in found}) > 1:
        raise AuthError("The request carries several keys that differ.")
    key = found[0][0]
    if not _KEY.fullmatch(key):
        raise AuthError("The key of the request is malformed: 32 hex digits are expected.")
    return Auth(key, next((client for _, client in found if client), headers.get("user-agent", ""))[:128])


def _read_basic(encoded: str) -> list[tuple[str, str]]:
    try:
        user = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")[0]
    except ValueError:  # no ASCII, no base64, or no text in it
        return []
    return [(user, "")] if user else []
