"""No secret and no user name leaves, wherever in the app it stood; what cannot be scrubbed stays inside and is counted."""

import base64
import json
import logging

import pytest
import sentry_sdk
from fastapi import FastAPI, Request
from sentry_sdk.envelope import Envelope, Item, PayloadRef

import ukemi.sdk
from ukemi.sdk import runtime

SECRET = "opensesame4711"
TOKEN = "ghp_" + "opensesame4711" * 2
USER_NAME = "Kiyoshi.Mori"
EMAIL = "kiyoshi@dojo.example.org"
ADDRESS = "203.0.113.77"
CARD = "4111 1111 1111 1111"
BASIC = base64.b64encode(f"{USER_NAME}:{SECRET}".encode()).decode()
FORBIDDEN = (SECRET, TOKEN, USER_NAME, EMAIL, ADDRESS, CARD, BASIC)


class Form:
    def __init__(self) -> None:
        self.username = USER_NAME
        self.password = SECRET

    def __repr__(self) -> str:
        return f"Form(username={self.username!r}, password={self.password!r})"


def leaks(sent) -> list[str]:
    """What of the forbidden is in any byte that left."""
    everything = sent.everything().lower()
    return [text for text in FORBIDDEN if text.lower() in everything]


def log_in_somewhere() -> None:
    form = Form()
    password = SECRET
    settings = {"api_key": SECRET, "nested": [{"username": USER_NAME, "card": CARD}]}
    raise PermissionError(
        f"no entry for {USER_NAME} <{EMAIL}> from {ADDRESS} with password={password!r} {form!r} card {CARD}, {len(settings)} settings"
    )


def in_message(app: FastAPI) -> None:
    ukemi.sdk.capture_message(f"username={USER_NAME} password={SECRET} token {TOKEN} for {EMAIL} at {ADDRESS}, {CARD}")


def in_exception_and_locals(app: FastAPI) -> None:
    try:
        log_in_somewhere()
    except PermissionError as error:
        ukemi.sdk.capture_exception(error)


def in_log_record(app: FastAPI) -> None:
    logging.getLogger("shop").error(
        "log-in failed: %s", {"username": USER_NAME, "password": SECRET}, extra={"token": TOKEN, "peer": ADDRESS}
    )


def in_logged_exception(app: FastAPI) -> None:
    try:
        log_in_somewhere()
    except PermissionError:
        logging.getLogger("shop").exception("log-in of %s failed", EMAIL)


def in_breadcrumbs(app: FastAPI) -> None:
    ukemi.sdk.add_breadcrumb("auth", f"sign-in of username={USER_NAME}", {"username": USER_NAME, "password": SECRET})
    logging.getLogger("shop").info("%s from %s", TOKEN, ADDRESS)
    ukemi.sdk.capture_message("after breadcrumbs")


def in_tags_and_contexts(app: FastAPI) -> None:
    ukemi.sdk.set_tag("email", EMAIL)
    ukemi.sdk.set_context(
        "form", {"username": USER_NAME, "pwd": SECRET, "header": [["Authorization", f"Basic {BASIC}"]]}
    )
    ukemi.sdk.capture_message("x", context={"order": {"card_number": CARD}, "ip": ADDRESS}, tags={"token": TOKEN})


def in_user(app: FastAPI) -> None:
    ukemi.sdk.add_user_context(7, EMAIL, USER_NAME, ip_address=ADDRESS, password=SECRET)
    ukemi.sdk.capture_message("with a user")


def in_extra_and_fingerprint(app: FastAPI) -> None:
    with sentry_sdk.new_scope() as scope:
        scope.set_extra("form", Form())
        scope.set_transaction_name(f"/reset/{EMAIL}")
        ukemi.sdk.capture_exception(ValueError(CARD), fingerprint=["{{ default }}", EMAIL])


def in_spans(app: FastAPI) -> None:
    with (
        ukemi.sdk.start_transaction(f"/nightly/{EMAIL}", "task"),
        ukemi.sdk.start_span("db", f"SELECT 1 WHERE email = '{EMAIL}' AND password = '{SECRET}'") as span,
    ):
        span.set_data("username", USER_NAME)
        span.set_data("params", {"token": TOKEN, "ip_address": ADDRESS})
        span.set_tag("card", CARD)


def in_logs_of_sentry(app: FastAPI) -> None:
    sentry_sdk.logger.info(
        f"sign-in of {EMAIL} with password={SECRET}",
        attributes={"username": USER_NAME, "user.name": USER_NAME, "token": TOKEN, "ip": ADDRESS, "note": CARD},
    )
    sentry_sdk.logger.warning("sign-in of {username}", username=USER_NAME)
    sentry_sdk.flush()


def in_metrics(app: FastAPI) -> None:
    sentry_sdk.metrics.count("sign-in", 1, attributes={"username": USER_NAME, "email": EMAIL, "password": SECRET})
    sentry_sdk.flush()


def in_check_ins(app: FastAPI) -> None:
    sentry_sdk.crons.capture_checkin(f"nightly {EMAIL}", status="ok")


def in_attachments(app: FastAPI) -> None:
    with sentry_sdk.new_scope() as scope:
        scope.add_attachment(bytes=f"{USER_NAME} {SECRET}".encode(), filename="dump.txt")
        scope.add_attachment(
            bytes=json.dumps({"username": USER_NAME, "password": SECRET}).encode(), filename=f"{EMAIL}.json"
        )
        ukemi.sdk.capture_message("with files")


def in_items_sent_by_hand(app: FastAPI) -> None:
    envelope = Envelope(headers={"trace": {"transaction": f"/reset/{EMAIL}", "user_id": ADDRESS}})
    envelope.add_item(Item(PayloadRef(json={"message": f"password={SECRET}", "contact_email": EMAIL}), type="feedback"))
    envelope.add_item(Item(PayloadRef(bytes=f"{SECRET} {EMAIL}".encode()), type="replay_recording"))
    envelope.add_item(Item(PayloadRef(json={"email": EMAIL, "password": SECRET}), type="something_new"))
    sentry_sdk.get_client().transport.capture_envelope(envelope)


PLACES = [
    in_message, in_exception_and_locals, in_log_record, in_logged_exception, in_breadcrumbs, in_tags_and_contexts, in_user,
    in_extra_and_fingerprint, in_spans, in_logs_of_sentry, in_metrics, in_check_ins, in_attachments, in_items_sent_by_hand,
]  # fmt: skip


@pytest.mark.parametrize("pii_key", ["a key", None], ids=["hashed", "removed"])
@pytest.mark.parametrize("plant", PLACES)
def test_nothing_leaks(init, sent, plant, pii_key):
    logging.getLogger("shop").setLevel(logging.INFO)
    app = FastAPI()
    init(app, pii_key=pii_key, traces_sample_rate=1.0, enable_logs=True, environment="test")

    plant(app)

    assert sent.envelopes, "the test looks at something"
    assert leaks(sent) == []


@pytest.mark.parametrize("handler", ["async", "sync"])
def test_nothing_of_a_request_leaks(init, sent, serve, handler):
    app = FastAPI()

    @app.post("/async/{email}")
    async def in_async(request: Request, email: str):
        body = await request.body()
        request.state.user = {"id": 7, "username": USER_NAME, "email": EMAIL}
        raise PermissionError(f"{len(body)} bytes from {USER_NAME}")

    @app.post("/sync/{email}")
    def in_sync(email: str):
        log_in_somewhere()

    init(app, traces_sample_rate=1.0)
    headers = {
        "Authorization": f"Basic {BASIC}",
        "Cookie": f"session={SECRET}; theme=dark",
        "X-Api-Key": SECRET,
        "X-Auth-Token": TOKEN,
        "X-Forwarded-For": f"{ADDRESS}, 10.0.0.1",
        "X-Real-IP": ADDRESS,
        "X-User-Name": USER_NAME,
        "Referer": f"https://shop.example.org/reset?password={SECRET}&email={EMAIL}",
        "Proxy-Authorization": f"Bearer {TOKEN}",
        "baggage": f"sentry-trace_id={'a' * 32},sentry-public_key={'b' * 32},sentry-transaction={EMAIL},sentry-sample_rate=1",
        "sentry-trace": f"{'a' * 32}-{'c' * 16}-1",
    }
    serve(app).post(
        f"/{handler}/{EMAIL}?token={TOKEN}&username={USER_NAME}&api_key={SECRET}&ip={ADDRESS}",
        headers=headers,
        json={"username": USER_NAME, "password": SECRET, "card": CARD},
    )

    assert [item.type for envelope in sent.envelopes for item in envelope.items] == ["event", "transaction"]
    assert leaks(sent) == []
    assert sent.event()["request"]["headers"]["cookie"] == "[Filtered]"
    assert "data" not in sent.event()["request"], "bodies are never taken"


def test_what_debugging_needs_stays(init, sent, serve):
    app = FastAPI()

    @app.get("/members/{number}")
    async def member(number: int):
        quantity, author = 5, "Kano"
        raise ValueError(f"{quantity} of {author}")

    init(app)
    serve(app).get("/members/5?page=2&tokenizer=fast", headers={"X-Request-Id": "r-1"})
    event = sent.event()
    assert event["request"]["query_string"] == "page=2&tokenizer=fast"
    assert event["request"]["headers"]["x-request-id"] == "r-1"
    frame = event["exception"]["values"][0]["stacktrace"]["frames"][-1]
    assert (frame["vars"]["quantity"], frame["vars"]["author"]) == ("5", "'Kano'")
    assert event["exception"]["values"][0]["value"] == "5 of Kano"


def test_what_was_taken_is_noted(init, sent):
    init()
    ukemi.sdk.capture_message("x", context={"form": {"password": SECRET}})
    assert sent.event()["_meta"]["contexts"]["form"]["password"][""]["rem"] == [["@password:filter", "s"]]


class Unreadable(dict):
    def items(self):
        raise RuntimeError("no")


def test_an_event_that_cannot_be_scrubbed_is_not_sent_and_is_counted(init, sent):
    init()
    assert ukemi.sdk.before_send({"event_id": "1" * 32, "extra": Unreadable(a=1)}, {}) is None
    assert runtime.current().internal == {"scrub_failed": 1}


def test_an_event_that_a_hook_broke_is_not_sent_and_is_lost_once(init, sent, serve):
    app = FastAPI()

    @app.get("/")
    async def fail():
        raise ValueError("broken")

    init(app, before_send=lambda event, hint: {**event, "extra": Unreadable(a=1)})
    answer = serve(app).get("/")

    assert sent.events() == []
    assert "event_id" not in answer.json()
    assert sent.lost_errors() == ["before_send"]
    assert runtime.current().internal == {"scrub_failed": 1}


def test_a_transaction_that_cannot_be_scrubbed_is_not_sent_and_is_counted(init, sent):
    init(traces_sample_rate=1.0, before_send_transaction=lambda event, hint: {**event, "extra": Unreadable(a=1)})
    with ukemi.sdk.start_transaction("nightly", "task"):
        pass
    assert sent.items("transaction") == []
    assert ("before_send", "transaction") in sent.lost
    assert runtime.current().internal == {"scrub_failed": 1}


def test_an_item_that_cannot_be_read_is_held_back_and_is_lost(init, sent):
    init()
    with sentry_sdk.new_scope() as scope:
        scope.add_attachment(bytes=b"\x00\xff not JSON", filename="core")
        ukemi.sdk.capture_message("with a file")
    assert [item.type for envelope in sent.envelopes for item in envelope.items] == ["event"]
    assert ("internal_sdk_error", "attachment") in sent.lost
    assert runtime.current().internal == {"item_not_scrubbed": 1}


def test_what_has_nothing_secret_comes_through_the_door_unchanged(init, sent):
    init(enable_logs=True)
    sentry_sdk.logger.info("the shop is open", attributes={"customers": 7})
    sentry_sdk.flush()
    [logs] = sent.items("log")
    assert logs["items"][0]["body"] == "the shop is open"
    assert logs["items"][0]["attributes"]["customers"] == {"value": 7, "type": "integer"}
