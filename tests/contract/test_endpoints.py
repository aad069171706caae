"""Every door but the envelope's: what browsers, uploaders, cron jobs and exporters post, and how each is answered."""

import base64
import json
import uuid
import zlib
from collections.abc import Callable

import httpx
import pytest

from tests.contract.running_ingest import RunningIngest

EVENT_ID = "fc6d8c0c43fc4630ad850ee518f1b9d0"
CSP = {
    "csp-report": {
        "document-uri": "https://shop.example/pay?token=hunter2",
        "violated-directive": "script-src 'self'",
        "effective-directive": "script-src-elem",
        "blocked-uri": "https://evil.example/x.js?k=1",
        "original-policy": "script-src 'self'",
    }
}


@pytest.fixture
def database_kind() -> str:
    """Ingest only looks keys up, which test_store does on both databases."""
    return "sqlite"


def multipart(*parts: tuple[str, str, bytes], boundary: str = "x-bound") -> tuple[bytes, str]:
    """A form of (field, file name, content), and its content type."""
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        f"Content-Type: text/plain\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, filename, content in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/api/1/security/", "application/csp-report"), ("/api/1/csp-report", "application/json; charset=utf-8")],
)
def test_a_browser_reports_a_violated_policy(ingest: RunningIngest, browser_key: str, path: str, kind: str) -> None:
    """Its address stands in a header of the page, so key, release and environment stand in the query."""
    query = f"?sentry_key={browser_key}&sentry_release=web@1&sentry_environment=prod"
    answer = ingest.post(json.dumps(CSP).encode(), path + query, content_type=kind)
    assert (answer.status_code, answer.content) == (200, b"")
    ((kind, event_id, context),) = ingest.spooled("item_type", "event_id", "context")
    assert kind == "raw_security"
    assert len(event_id) == 32
    header = json.loads(context)["item_header"]
    assert (header["sentry_release"], header["sentry_environment"]) == ("web@1", "prod")


def test_a_list_of_reports_is_as_many_events(ingest: RunningIngest, browser_key: str) -> None:
    reports = [{"type": "csp-violation", "body": {"effectiveDirective": "img-src"}} for _ in range(3)]
    path = f"/api/1/security/?sentry_key={browser_key}"
    answer = ingest.post(json.dumps(reports).encode(), path, content_type="application/reports+json")
    assert answer.status_code == 200
    assert len({event_id for (event_id,) in ingest.spooled("event_id")}) == 3


def test_a_report_of_another_type_is_415(ingest: RunningIngest, browser_key: str) -> None:
    answer = ingest.post(b"{}", f"/api/1/security/?sentry_key={browser_key}", content_type="text/plain")
    assert answer.status_code == 415
    assert "application/csp-report" in answer.json()["detail"]


def test_a_very_old_page_sends_an_event_in_the_query(ingest: RunningIngest, browser_key: str) -> None:
    data = base64.b64encode(zlib.compress(b'{"message":"x"}'))
    query = httpx.QueryParams(sentry_key=browser_key, sentry_data=data.decode())
    answer = ingest.client.get("/api/1/store/", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.content.startswith(b"GIF89a")
    assert ingest.spooled("item_type", "payload") == [("event", b'{"message":"x"}')]


@pytest.mark.parametrize(
    ("path", "body", "kind", "counted"),
    [
        ("/api/1/minidump/?sentry_key=KEY", b"MDMP" + bytes(20), "application/x-dmp", ("error", "minidump")),
        ("/api/1/unreal/KEY/?UserID=x", b"crash", "application/octet-stream", ("error", "unreal_report")),
        ("/api/1/cron/nightly/KEY/?status=ok", b"", "", ("monitor", "check_in")),
        ("/api/0/1/cron/nightly/KEY", b'{"status":"ok"}', "application/json", ("monitor", "check_in")),
        ("/api/1/nel/?sentry_key=KEY", b'[{"type":"network-error"}]', "application/reports+json", ("log_item", "nel")),
    ],
)
def test_what_is_not_kept_is_answered_as_its_sender_expects_and_counted(
    ingest: RunningIngest, key: str, path: str, body: bytes, kind: str, counted: tuple[str, str]
) -> None:
    answer = ingest.post(body, path.replace("KEY", key), content_type=kind)
    if "cron" in path:
        assert (answer.status_code, answer.content) == (202, b"")
    elif counted[0] == "error":
        assert answer.status_code == 200
        assert str(uuid.UUID(answer.text)) == answer.text, "uploaders read a hyphenated id"
    else:
        assert answer.status_code == 200
    assert ingest.spooled("position") == []
    assert ingest.outcomes() == {(counted[0], "not_kept", counted[1]): 1}


def test_a_cron_job_may_check_in_with_get(ingest: RunningIngest, key: str) -> None:
    answer = ingest.client.get(f"/api/1/cron/nightly/{key}/", params={"status": "in_progress"})
    assert answer.status_code == 202
    assert ingest.outcomes() == {("monitor", "not_kept", "check_in"): 1}


def test_a_minidump_in_a_form_is_found_by_its_field(ingest: RunningIngest, key: str) -> None:
    body, kind = multipart(("sentry", "", b"{}"), ("upload_file_minidump", "a.dmp", b"MDMP\r\n--x-bound? no"))
    path = f"/api/1/minidump/?sentry_key={key}"
    assert ingest.post(body, path, content_type=kind).status_code == 200
    other, kind = multipart(("some_file", "a.dmp", b"MDMP"))
    assert ingest.post(other, path, content_type=kind).status_code == 400


def protobuf(*spans: int) -> bytes:
    """An OTLP request with one resource of one scope for each number, and so many records in it."""

    def field(number: int, content: bytes) -> bytes:
        assert len(content) < 128
        return bytes([number << 3 | 2, len(content)]) + content

    return b"".join(field(1, field(2, field(2, b"\x0a\x01x") * count) + field(1, b"")) for count in spans)


@pytest.mark.parametrize("path", ["/api/1/integration/otlp/v1/traces", "/api/1/otlp/v1/traces/"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (protobuf(2, 3), "application/x-protobuf"),
        (
            json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{}, {}]}, {"spans": [{}, {}, {}]}]}]}).encode(),
            "application/json",
        ),
    ],
    ids=["protobuf", "json"],
)
def test_spans_of_opentelemetry_are_counted_one_by_one(
    ingest: RunningIngest, key: str, path: str, body: bytes, kind: str
) -> None:
    headers = {"X_Sentry_Auth": f"sentry sentry_key={key}"}
    answer = ingest.post(body, path, content_type=kind, **headers)
    assert (answer.status_code, answer.content) == (202, b"")
    assert ingest.outcomes() == {("span", "not_kept", "otel_span"): 5}


def test_opentelemetry_of_another_type_is_415_and_garbage_400(ingest: RunningIngest, key: str) -> None:
    path = f"/api/1/integration/otlp/v1/logs?sentry_key={key}"
    assert ingest.post(b"x", path, content_type="text/plain").status_code == 415
    assert ingest.post(b"\x0a\xff", path, content_type="application/x-protobuf").status_code == 400


def test_files_can_be_added_to_an_event_later(ingest: RunningIngest, key: str) -> None:
    body, kind = multipart(("a", "log.txt", b"line 1\r\nline 2"), ("b", "shot.png", b"\x89PNG\r\n\x1a\n"))
    answer = ingest.post(body, f"/api/1/events/{EVENT_ID}/attachments/?sentry_key={key}", content_type=kind)
    assert (answer.status_code, answer.content) == (201, b"")
    assert ingest.spooled("item_type", "event_id", "payload") == [
        ("attachment", EVENT_ID, b"line 1\r\nline 2"),
        ("attachment", EVENT_ID, b"\x89PNG\r\n\x1a\n"),
    ]


def modal(key: str, **query: str) -> str:
    dsn = f"http://{key}@collector.test/1"
    return f"/api/embed/error-page/?{httpx.QueryParams({'dsn': dsn, 'eventId': EVENT_ID, **query})}"


def test_the_crash_modal_is_a_script_without_anything_of_the_query_in_it(
    ingest: RunningIngest, browser_key: str
) -> None:
    """Its texts are put in by the browser, as text; so nothing can be injected here."""
    answer = ingest.client.get(modal(browser_key, title="</script><img>"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/javascript")
    assert "currentScript" in answer.text
    assert "</script>" not in answer.text


def test_what_a_person_writes_into_the_crash_modal_is_a_user_report(ingest: RunningIngest, browser_key: str) -> None:
    answer = ingest.client.post(
        modal(browser_key), data={"name": "Ann", "email": "ann@example.org", "comments": "I pressed pay"}
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    ((kind, payload),) = ingest.spooled("item_type", "payload")
    assert (kind, json.loads(payload)) == (
        "user_report",
        {"event_id": EVENT_ID, "name": "Ann", "email": "ann@example.org", "comments": "I pressed pay"},
    )


def test_the_crash_modal_needs_an_event_and_a_key(ingest: RunningIngest, browser_key: str) -> None:
    assert ingest.client.get(modal(browser_key, eventId="x")).status_code == 400
    assert ingest.client.get(f"/api/embed/error-page/?eventId={EVENT_ID}").status_code == 401
    assert ingest.client.get(modal("0" * 32)).status_code == 403


# --- limits -----------------------------------------------------------------------------------------------------------


def envelope(*items: tuple[dict[str, object], bytes]) -> bytes:
    lines = [json.dumps({"event_id": EVENT_ID}).encode()]
    for header, payload in items:
        lines += [json.dumps({**header, "length": len(payload)}).encode(), payload]
    return b"\n".join(lines)


def send(ingest: RunningIngest, key: str, *items: tuple[dict[str, object], bytes]) -> httpx.Response:
    return ingest.post(envelope(*items), f"/api/1/envelope/?sentry_key={key}")


TRANSACTION = ({"type": "transaction"}, b'{"spans":[{},{}]}')
ERROR = ({"type": "event"}, b"{}")
REPORT = ({"type": "client_report"}, b'{"discarded_events":[]}')


def test_a_category_at_its_limit_leaves_the_others_alone(start_ingest: Callable[..., RunningIngest], key: str) -> None:
    """The answer is 429 though the rest was kept: that is how an SDK learns to hold back."""
    ingest = start_ingest(transactions_per_minute=1)
    assert send(ingest, key, TRANSACTION).status_code == 200
    answer = send(ingest, key, TRANSACTION, REPORT)
    assert answer.status_code == 429
    assert answer.headers["x-sentry-rate-limits"] == "60:transaction:project:project_minute"
    assert send(ingest, key, ERROR).status_code == 200
    assert [kind for (kind,) in ingest.spooled("item_type")] == ["transaction", "client_report", "event"]
    assert ingest.outcomes() == {
        ("transaction", "rate_limited", "project_minute"): 1,
        ("span", "rate_limited", "project_minute"): 3,
    }


def test_a_key_has_limits_of_its_own(
    start_ingest: Callable[..., RunningIngest], key: str, browser_key: str, limit_key: Callable[..., None]
) -> None:
    limit_key(browser_key, "error", 1)
    ingest = start_ingest()
    assert send(ingest, browser_key, ERROR).status_code == 200
    answer = send(ingest, browser_key, ERROR)
    assert answer.status_code == 429
    assert answer.headers["x-sentry-rate-limits"] == "60:error:key:key_minute"
    assert send(ingest, key, ERROR).status_code == 200, "the limit is the other key's"


def test_a_crash_uploader_is_never_told_to_wait(
    start_ingest: Callable[..., RunningIngest], key: str, limit_key: Callable[..., None]
) -> None:
    """It would try the same dump again and again."""
    limit_key(key, "error", 0)
    ingest = start_ingest()
    assert ingest.post(b"MDMP", f"/api/1/minidump/?sentry_key={key}").status_code == 200


def test_an_attachment_shares_the_fate_of_its_event(start_ingest: Callable[..., RunningIngest], key: str) -> None:
    ingest = start_ingest(events_per_minute=1)
    file = ({"type": "attachment", "filename": "a.txt"}, b"12345")
    assert send(ingest, key, file, ERROR).status_code == 200
    assert send(ingest, key, file, ERROR).status_code == 429
    assert [kind for (kind,) in ingest.spooled("item_type")] == ["event", "attachment"]
    assert ingest.outcomes() == {
        ("error", "rate_limited", "project_minute"): 1,
        ("attachment", "rate_limited", "project_minute"): 5,
        ("attachment_item", "rate_limited", "project_minute"): 1,
    }


@pytest.mark.parametrize(
    "payload", [b"[" * 100_000, b'{"event_id":' + b"[" * 100_000, b'{"\xff":1}', b'{"event_id":"\xff"}']
)
def test_an_event_whose_id_cannot_be_read_is_given_one(ingest: RunningIngest, key: str, payload: bytes) -> None:
    """Nested without end, or no text: digest says so, with an outcome; here it is no reason to fail."""
    body = b'{}\n{"type":"event"}\n' + payload
    answer = ingest.post(body, f"/api/1/envelope/?sentry_key={key}")
    assert answer.status_code == 200
    assert ingest.spooled("event_id") == [(answer.json()["id"],)]
