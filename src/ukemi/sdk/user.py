"""Who is behind a request: what the app itself found out, else what the request's verified token says."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import jwt as pyjwt

from ukemi.sdk.request import Scope, client_address
from ukemi.sdk.runtime import Runtime

KNOWN_S: Final = 60.0
"""So long a token that verified is not verified again: a page asks for many things with the same one."""
MAX_KNOWN: Final = 1000
TYPE_CLAIMS: Final = ("typ", "type", "token_type", "token_use")
"""Where a token says what it is for; there is no standard for it."""


@dataclass(frozen=True)
class Jwt:
    """How the app signs its tokens. Only tokens that verify give a user."""

    key: str | Sequence[str]
    """Several while keys are exchanged: a token may be signed with any of them."""
    algorithms: Sequence[str]
    """Explicit, such as `["HS256"]`: what the token itself says is not trusted."""
    audience: str | None = None
    issuer: str | None = None
    cookie: str | None = None
    """Name of the cookie that holds the token, where it does not come as `Authorization: Bearer`."""
    id_claim: str = "sub"
    token_types: Collection[str] | None = None
    """
    What a token must say of itself in the claim `typ`, `type`, `token_type` or `token_use`, such as `["access"]`.
    None: anything but that it is for refreshing others.
    """

    def __repr__(self) -> str:
        return f"Jwt(algorithms={list(self.algorithms)!r})"  # never the key: this object stands in stack frames


def user_of(scope: Scope, runtime: Runtime) -> dict[str, Any]:
    """
    The user of a request: id, e-mail, user name, role, tier, address; what is unknown is left out.

    In this order: the callable given to `init`, `request.state.user`, the token.
    """
    found: Mapping[str, Any] | None = runtime.user(scope) if runtime.user else None
    if not found:
        found = _described((scope.get("state") or {}).get("user"))
    if not found and runtime.jwt:
        found = _from_token(scope, runtime.jwt, runtime.claims)
    user = {name: value for name, value in (found or {}).items() if value is not None}
    if "id" in user:
        user["id"] = str(user["id"])
    if address := client_address(scope):
        user.setdefault("ip_address", address)
    return user


def _described(thing: Any) -> dict[str, Any] | None:
    """A user object or mapping of the app as what we show of it."""
    if thing is None:
        return None
    names = ("id", "email", "username", "role", "tier")
    if isinstance(thing, Mapping):
        return {name: thing.get(name) for name in names}
    return {name: _plain(getattr(thing, name, None)) for name in names}


def _plain(value: Any) -> Any:
    """The value of an enum, for roles are often one."""
    return getattr(value, "value", value)


def _from_token(scope: Scope, jwt: Jwt, known: dict[bytes, tuple[Mapping[str, Any], float]]) -> dict[str, Any] | None:
    token = _token(scope, jwt.cookie)
    claims = _claims(token, jwt, known) if token else None
    if claims is None:
        return None
    return {
        "id": claims.get(jwt.id_claim),
        "email": claims.get("email"),
        "username": claims.get("username"),
        "role": claims.get("role"),
        "tier": claims.get("tier"),
    }


def _claims(token: str, jwt: Jwt, known: dict[bytes, tuple[Mapping[str, Any], float]]) -> Mapping[str, Any] | None:
    """The claims of a token that verifies, or did so a moment ago and has not expired since."""
    digest, now_s = sha256(token.encode()).digest(), time.time()
    claims, until_s = known.get(digest, (None, 0.0))
    if claims is not None and now_s < until_s:
        return claims
    claims = _verified(token, jwt)
    if claims is not None:
        if len(known) >= MAX_KNOWN:
            known.clear()
        known[digest] = (claims, min(now_s + KNOWN_S, float(claims.get("exp", now_s + KNOWN_S))))
    return claims


def _verified(token: str, jwt: Jwt) -> dict[str, Any] | None:
    """The claims of a token that one of the keys verifies."""
    for key in [jwt.key] if isinstance(jwt.key, str) else jwt.key:
        try:
            claims: dict[str, Any] = pyjwt.decode(
                token,
                key,
                algorithms=list(jwt.algorithms),
                audience=jwt.audience,
                issuer=jwt.issuer,
                options={"verify_aud": jwt.audience is not None, "verify_sub": False},  # ids may be numbers
            )
        except pyjwt.PyJWTError:
            continue
        return claims if _is_for_requests(claims, jwt) else None
    return None


def _is_for_requests(claims: Mapping[str, Any], jwt: Jwt) -> bool:
    """Whether who shows the token is signed in by it. One that only buys others is no access, however well it is signed."""
    said = {str(claims[name]).lower() for name in TYPE_CLAIMS if name in claims}
    if jwt.token_types is not None:
        return not said.isdisjoint(one.lower() for one in jwt.token_types)
    return not any("refresh" in one or one == "offline" for one in said)  # `Offline`: Keycloak's that refresh for ever


def _token(scope: Scope, cookie: str | None) -> str | None:
    for name, value in scope.get("headers", ()):
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return str(value[7:].strip().decode("latin-1"))
        if cookie and name == b"cookie":
            # By hand, for the standard library gives up at the first cookie that it does not like.
            for pair in value.decode("latin-1").split(";"):
                key, _, text = pair.partition("=")
                if key.strip() == cookie:
                    return str(text.strip().strip('"'))
    return None
