"""Understanding: a bad field costs the field, clocks are corrected, and what was derived is there."""

import dataclasses

import msgspec
import pytest

from ukemi.collector.digest.understand import GroupedBy, Understood, understand
from ukemi.collector.spool.item import ItemContext, Lane, SpoolItem
from ukemi.privacy import DEFAULT_RULES

RULES = dataclasses.replace(DEFAULT_RULES, hash_key=b"k" * 32)
NOW_S = 1_767_225_600
FIREFOX = "Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"


def understood(
    event: dict, *, key_kind: str = "server", sent_at: str | None = None, user_agent: str = ""
) -> Understood:
    context = ItemContext(user_agent=user_agent, client_ip="203.0.113.7", sent_at=sent_at)
    return understand(
        SpoolItem(
            position=0,
            lane=Lane.EVENTS,
            received_us=NOW_S * 1_000_000,
            project_id=1,
            key_kind=key_kind,
            item_type="event",
            event_id="1" * 32,
            context=msgspec.json.encode(context),
            payload=msgspec.json.encode(event),
        ),
        RULES,
        GroupedBy(),
    )


def tree_of(one: Understood) -> dict:
    return msgspec.json.decode(one.content)


@pytest.mark.parametrize(
    ("name", "value", "becomes"),
    [
        ("level", "WARNING!", None),
        ("release", "a/b", None),
        ("environment", "none", None),
        ("fingerprint", {"a": 1}, {"a": 1}),
        ("user", "jane", None),
        ("request", 7, None),
        ("timestamp", "yesterday", None),
        ("timestamp", (NOW_S + 3600) * 1000, None),
    ],
)
def test_a_bad_field_costs_the_field_and_stands_in_errors_and_remarks(name, value, becomes):
    one = understood({"message": "no seat", name: value})

    assert one.title == "no seat"
    assert tree_of(one)[name] == becomes
    (row,) = tree_of(one)["errors"]
    assert (row["type"], row["name"]) == ("invalid_data", name)
    assert tree_of(one)["_meta"][name][""]["err"] == ["invalid_data"]


def test_a_bad_tag_costs_the_tag():
    one = understood({"message": "no seat", "tags": [["good", "1"], ["bad key!", "2"], ["worse", ["x"]]]})

    assert one.told_tags == {"good": "1"}
    assert tree_of(one)["errors"] == [
        {"type": "invalid_data", "name": "tags", "value": '[["good","1"],["bad key!","2"],["worse",["x"]]]'}
    ]


@pytest.mark.parametrize(
    ("at_s", "sent_at", "occurred_s", "wrong"),
    [
        (NOW_S - 5, None, NOW_S - 5, None),
        (NOW_S - 5, "2026-01-01T00:00:00Z", NOW_S - 5, None),
        (NOW_S - 7205, "2025-12-31T22:00:00Z", NOW_S - 5, "clock_drift"),
        (NOW_S + 7195, "2026-01-01T02:00:00Z", NOW_S - 5, "clock_drift"),
        (NOW_S - 3000, "2025-12-31T23:10:00Z", NOW_S - 3000, None),
        (NOW_S + 61, None, NOW_S, "future_timestamp"),
        (NOW_S - 31 * 86_400, None, NOW_S, "past_timestamp"),
    ],
    ids=["right", "sent now", "behind", "ahead", "a little behind", "future", "long ago"],
)
def test_clocks_are_corrected_and_the_event_says_so(at_s, sent_at, occurred_s, wrong):
    one = understood({"message": "no seat", "timestamp": at_s}, sent_at=sent_at)

    assert one.occurred_us == occurred_s * 1_000_000
    assert [row["type"] for row in tree_of(one).get("errors", [])] == ([wrong] if wrong else [])
    assert tree_of(one)["timestamp"] == at_s


@pytest.mark.parametrize(
    ("event", "key_kind", "is_filled"),
    [
        ({"user": {"ip_address": "{{auto}}"}}, "server", True),
        ({"user": {"ip_address": "{{auto}}"}, "sdk": {"settings": {"infer_ip": "never"}}}, "browser", False),
        ({"sdk": {"settings": {"infer_ip": "auto"}}}, "browser", True),
        ({"sdk": {"settings": {"infer_ip": "auto"}}}, "server", False),
        ({"user": {"id": "1"}, "platform": "javascript"}, "browser", True),
        ({"platform": "javascript"}, "browser", False),
        ({"user": {"id": "1"}, "platform": "python"}, "server", False),
        ({"request": {"env": {"REMOTE_ADDR": "203.0.113.7"}}}, "server", True),
        ({"user": {"ip_address": "203.0.113.7"}}, "server", True),
    ],
    ids=[
        "asked",
        "never",
        "setting",
        "of a backend",
        "old page",
        "page without user",
        "backend",
        "environment",
        "told",
    ],
)
def test_the_address_of_the_sender_is_noted_where_the_client_asks_for_it(event, key_kind, is_filled):
    """And hashed, like every address."""
    address = tree_of(understood({"message": "m", **event}, key_kind=key_kind)).get("user", {}).get("ip_address") or ""

    assert address.startswith("hmac:") == is_filled
    assert "203" not in address or is_filled


def test_browser_system_and_device_are_read_from_the_user_agent():
    contexts = tree_of(understood({"message": "m"}, key_kind="browser", user_agent=FIREFOX))["contexts"]

    assert contexts["browser"]["name"] == "Firefox Mobile"
    assert contexts["client_os"] == {"name": "Android", "version": "14"}
    assert contexts["device"]["family"] == "Generic Smartphone"


def test_what_the_client_says_of_its_browser_is_left():
    one = understood(
        {"message": "m", "contexts": {"browser": {"name": "Lynx"}}}, key_kind="browser", user_agent=FIREFOX
    )

    assert tree_of(one)["contexts"]["browser"] == {"name": "Lynx"}


def test_what_was_cut_and_what_was_scrubbed_both_leave_remarks():
    one = understood({"message": "m" * 9000, "extra": {"password": "hunter2"}, "level": "odd"})

    meta = tree_of(one)["_meta"]
    assert meta["message"][""]["len"] == 9000
    assert meta["extra"]["password"][""]["rem"]
    assert meta["level"][""]["err"] == ["invalid_data"]
