"""Rules: in words, and how each stands."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

DigestEvent = Callable[..., str]
MakeFailure = Callable[..., dict[str, object]]


def words(page: str) -> str:
    return " ".join(page.split())


def test_before_anything_happened_the_rules_stand_there(owner: TestClient) -> None:
    page = words(owner.get("/rules").text)
    for name in ("new error type", "critical path", "API downtime"):
        assert name in page


@pytest.mark.parametrize(
    "sentence",
    [
        "an issue is new or regressed; closes when the issue is resolved, or after 30 minutes of quiet.",
        "an issue is new or regressed or seen in payment or auth, at level error or fatal",
        "10 requests in a row fail with a status of 500 or above",
        "nothing was heard of it for 30 seconds after traffic.",
    ],
)
def test_a_rule_is_told_as_a_sentence(owner: TestClient, sentence: str) -> None:
    assert sentence in words(owner.get("/rules").text)


def test_how_each_rule_stands_is_shown_with_its_reason(
    owner: TestClient, digest_event: DigestEvent, make_failure: MakeFailure
) -> None:
    digest_event(make_failure() | {"tags": {"domain": "payment"}})
    instances = owner.get("/rules.json").json()["instances"]
    page = owner.get("/rules").text
    assert "1 firing" in page
    assert {one["rule"] for one in instances} == {"new error type", "critical path"}
    assert all(one["because"] in page for one in instances)
