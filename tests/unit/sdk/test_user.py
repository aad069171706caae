"""Who is behind a request: the app's word, else a token that verifies, else nobody."""

import dataclasses
import enum
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import jwt as pyjwt
import pytest
from fastapi import FastAPI, Request

from ukemi.sdk import Jwt, runtime
from ukemi.sdk.user import MAX_KNOWN

KEY = "a key of thirty-two bytes or more, for HS256"
LATER = datetime.now(UTC) + timedelta(hours=1)
EARLIER = datetime.now(UTC) - timedelta(hours=1)


class Role(enum.Enum):
    OWNER = "owner"


def token(key: str = KEY, algorithm: str = "HS256", **claims: object) -> str:
    return pyjwt.encode({"sub": "17", "exp": LATER, **claims}, key, algorithm)


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.get("/fail")
    async def fail(request: Request):
        if "user" in request.query_params:
            request.state.user = SimpleNamespace(id=7, email="mori@example.org", role=Role.OWNER, tier="gold")
        raise ValueError("broken")

    return app


@pytest.fixture
def user(init, sent, serve, app):
    """The user of the event of one failed request."""

    def ask(path: str = "/fail", headers: dict[str, str] | None = None, **options) -> dict:
        init(app, **options)
        serve(app).get(path, headers=headers)
        found = sent.event()["user"]
        assert found.pop("ip_address").startswith("hmac:")
        return found

    return ask


def test_the_user_that_the_app_found_is_the_user(user):
    found = user("/fail?user")
    assert found["id"] == "7"
    assert (found["role"], found["tier"]) == ("owner", "gold")
    assert found["email"].startswith("hmac:")


def test_a_callable_comes_before_all_else(user):
    found = user(
        "/fail?user",
        {"Authorization": f"Bearer {token()}"},
        user=lambda scope: {"id": scope["path"], "role": "guest", "email": None},
        jwt=Jwt(KEY, ["HS256"]),
    )
    assert found == {"id": "/fail", "role": "guest"}


def test_where_the_callable_knows_nobody_the_others_are_asked(user):
    assert user("/fail?user", user=lambda _scope: None)["id"] == "7"


def test_the_apps_user_comes_before_the_token(user):
    headers = {"Authorization": f"Bearer {token()}"}
    assert user("/fail?user", headers, jwt=Jwt(KEY, ["HS256"]))["id"] == "7"


@pytest.mark.parametrize("sub", ["17", 17])
def test_a_token_that_verifies_gives_the_user(user, sub):
    headers = {"Authorization": f"bearer {token(sub=sub, role='member', tier='silver', username='mori')}"}
    found = user(headers=headers, jwt=Jwt(KEY, ["HS256"]))
    assert (found["id"], found["role"], found["tier"]) == ("17", "member", "silver")
    assert found["username"].startswith("hmac:")


@pytest.mark.parametrize(
    "cookies",
    ["session={}", "theme=dark; session={}; a=b", 'prefs={{"a": [1]}}; bad name; session="{}"'],
)
def test_a_token_may_come_in_a_cookie(user, cookies):
    """Also behind cookies that no standard allows: browsers send what pages set."""
    found = user(headers={"Cookie": cookies.format(token())}, jwt=Jwt(KEY, ["HS256"], cookie="session"))
    assert found == {"id": "17"}


def test_the_id_may_stand_in_another_claim(user):
    headers = {"Authorization": f"Bearer {token(uid='u-5')}"}
    assert user(headers=headers, jwt=Jwt(KEY, ["HS256"], id_claim="uid")) == {"id": "u-5"}


def test_audience_and_issuer_are_verified_where_they_are_named(user):
    headers = {"Authorization": f"Bearer {token(aud='shop', iss='login')}"}
    assert user(headers=headers, jwt=Jwt(KEY, ["HS256"], audience="shop", issuer="login")) == {"id": "17"}


@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {token(exp=EARLIER)}",
        f"Bearer {token(key='another key of thirty-two bytes or more')}",
        f"Bearer {token(key='', algorithm='none')}",
        f"Bearer {token(algorithm='HS512', key=KEY * 2)}",
        f"Bearer {token(aud='another', iss='login')}",
        f"Bearer {token(iss='login')}",
        f"Bearer {token(aud='shop', iss='another')}",
        f"Bearer {token(aud='shop', iss='login')[:-4]}AAAA",
        "Bearer nonsense",
        "Bearer ",
        "Basic bW9yaTpzZXNhbWU=",
    ],
    ids="expired key none algorithm audience no-audience issuer signature nonsense empty basic".split(),
)
def test_a_token_that_does_not_verify_gives_no_user(user, authorization):
    verification = Jwt(KEY, ["HS256"], audience="shop", issuer="login")
    assert user(headers={"Authorization": authorization}, jwt=verification) == {}


@pytest.mark.parametrize("claim", ["typ", "type", "token_type", "token_use"])
@pytest.mark.parametrize("said", ["refresh", "Refresh", "refresh_token", "Offline"])
def test_a_refresh_token_gives_no_user(user, claim, said):
    """It lives for weeks and is worth nothing but another token: who sends it with a request is not signed in by it."""
    headers = {"Authorization": f"Bearer {token(**{claim: said})}"}
    assert user(headers=headers, jwt=Jwt(KEY, ["HS256"])) == {}


@pytest.mark.parametrize("claims", [{}, {"typ": "Bearer"}, {"type": "access"}, {"token_use": "id"}, {"type": 7}])
def test_any_other_token_gives_the_user(user, claims):
    assert user(headers={"Authorization": f"Bearer {token(**claims)}"}, jwt=Jwt(KEY, ["HS256"])) == {"id": "17"}


@pytest.mark.parametrize(
    ("claims", "found"),
    [({"type": "Access"}, {"id": "17"}), ({"type": "reset"}, {}), ({"type": "refresh"}, {}), ({}, {})],
)
def test_an_app_may_ask_for_the_types_that_it_issues(user, claims, found):
    headers = {"Authorization": f"Bearer {token(**claims)}"}
    assert user(headers=headers, jwt=Jwt(KEY, ["HS256"], token_types=["access"])) == found


@pytest.fixture
def ask(init, sent, serve, app):
    """Requests of one set-up that fail, and how often a token was verified for them."""
    init(app, storm_guard=0, jwt=Jwt(KEY, ["HS256"]))
    client = serve(app)

    def ask(bearer: str) -> dict:
        before = len(sent.events())
        client.get("/fail", headers={"Authorization": f"Bearer {bearer}"})
        return sent.events()[before]["user"]

    return ask


def test_a_token_is_verified_once_a_minute_and_another_one_by_itself(ask, monkeypatch):
    verified = []
    decode = pyjwt.decode
    monkeypatch.setattr(
        pyjwt, "decode", lambda token, *rest, **options: verified.append(token) or decode(token, *rest, **options)
    )
    known = token()
    assert [ask(known)["id"] for _ in range(3)] == ["17"] * 3
    assert ask(token(sub="18"))["id"] == "18"
    assert "id" not in ask(known[:-4] + "AAAA")
    assert len(verified) == 3
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + 61)
    assert ask(known)["id"] == "17"
    assert len(verified) == 4


def test_a_token_that_was_known_gives_no_user_once_it_expired(ask, monkeypatch):
    soon = token(exp=datetime.now(UTC) + timedelta(seconds=5))
    assert ask(soon)["id"] == "17"
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + 6)
    monkeypatch.setattr("ukemi.sdk.user._verified", lambda *_: None)  # as it would find by its own clock
    assert "id" not in ask(soon)


def test_many_tokens_are_not_kept_for_ever(ask):
    claims = runtime.current().claims
    claims.update((bytes([number % 256, number // 256]), ({}, 0.0)) for number in range(MAX_KNOWN))
    ask(token(sub="last"))
    assert len(claims) == 1


def test_without_a_way_to_verify_no_token_is_believed(user):
    assert user(headers={"Authorization": f"Bearer {token()}"}) == {}


def test_the_key_is_not_shown_where_objects_are(init):
    verification = Jwt(KEY, ["HS256"])
    assert KEY not in repr(verification)
    assert dataclasses.fields(verification)[0].name == "key"
