"""What a handler tells of its work comes with the next event."""

import ukemi.sdk


def scope(path: str) -> dict:
    return {"type": "http", "method": "GET", "path": path, "headers": [(b"host", b"shop.example.org")]}


def test_the_user_keeps_id_role_and_tier_and_is_otherwise_hashed(init, sent):
    init()
    ukemi.sdk.add_user_context(7, "mori@example.org", "mori", "owner", "gold", "203.0.113.7", dojo="main")
    ukemi.sdk.capture_message("hello")
    user = sent.event()["user"]
    assert {name: user[name] for name in ("id", "role", "tier", "dojo")} == {
        "id": "7",
        "role": "owner",
        "tier": "gold",
        "dojo": "main",
    }
    assert all(user[name].startswith("hmac:") for name in ("email", "username", "ip_address"))


def test_after_signing_out_nobody_is_the_user(init, sent):
    init()
    ukemi.sdk.add_user_context(7)
    ukemi.sdk.clear_user_context()
    ukemi.sdk.capture_message("hello")
    assert not sent.event().get("user")


def test_of_requests_that_are_told_by_hand_the_latest_counts(init, sent):
    """A worker tells one after the other, and what it told before must neither stay nor pile up."""
    init()
    for number in range(3):
        ukemi.sdk.add_request_context(scope(f"/{number}"))
    ukemi.sdk.capture_message("hello")
    assert sent.event()["request"]["url"] == "http://shop.example.org/2"


def test_tags_contexts_and_breadcrumbs_come_with_the_event(init, sent):
    init()
    ukemi.sdk.set_tag("dojo", "main")
    ukemi.sdk.set_context("order", {"number": 7})
    ukemi.sdk.add_breadcrumb("shop", "opened", {"at": 7}, "warning")
    ukemi.sdk.track_business_operation("renewed", "membership", 7, success=False, months=12)
    ukemi.sdk.track_external_api_call("stripe", "/v1/charges", "POST", 402, 12.5)
    ukemi.sdk.track_database_operation("SELECT", "member", 1.5, 3)
    ukemi.sdk.track_cache_operation("get", "member:7", hit=False)
    ukemi.sdk.capture_message("hello")
    event = sent.event()
    crumbs = [(one["category"], one["message"], one["level"], one["data"]) for one in event["breadcrumbs"]["values"]]
    assert (event["tags"]["dojo"], event["contexts"]["order"]) == ("main", {"number": 7})
    assert crumbs == [
        ("shop", "opened", "warning", {"at": 7}),
        ("business", "renewed", "warning", {"entity": "membership", "entity_id": 7, "success": False, "months": 12}),
        ("http", "POST stripe/v1/charges", "warning", {"service": "stripe", "status_code": 402, "duration_ms": 12.5}),
        ("query", "SELECT member", "info", {"duration_ms": 1.5, "rows": 3}),
        ("cache", "get member:7", "info", {"hit": False}),
    ]


def test_context_of_a_capture_is_of_that_capture_alone(init, sent):
    init()
    ukemi.sdk.capture_exception(
        ValueError("x"), {"order": {"number": 7}, "attempt": 2}, {"kind": 5}, "fatal", ["{{ default }}", "order"]
    )
    ukemi.sdk.capture_message("afterwards", "debug")
    first, second = sent.events()
    assert (first["level"], first["fingerprint"], first["tags"]) == ("fatal", ["{{ default }}", "order"], {"kind": "5"})
    assert (first["contexts"]["order"], first["contexts"]["details"]) == ({"number": 7}, {"attempt": 2})
    assert second["level"] == "debug"
    assert "order" not in second["contexts"]
