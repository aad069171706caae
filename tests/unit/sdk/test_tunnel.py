"""The tunnel hands the browser's envelopes on to one fixed place, and nothing else."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fastapi import FastAPI
from sentry_sdk.utils import BadDsn
from starlette.requests import ClientDisconnect

from ukemi.sdk import tunnel

KEY = "0123456789abcdef0123456789abcdef"


class Tracker(ThreadingHTTPServer):
    """A server that remembers what it was sent."""

    def __init__(self) -> None:
        tracker = self
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.was_asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                tracker.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                tracker.was_asked.set()
                tracker.may_answer.wait(10)
                self.send_response(tracker.status)
                for name, value in tracker.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def dsn(self) -> str:
        return f"http://{KEY}@127.0.0.1:{self.server_port}/7"


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    tracker = Tracker()
    thread = threading.Thread(target=tracker.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield tracker
    tracker.may_answer.set()
    tracker.shutdown()
    thread.join()
    tracker.server_close()


@pytest.fixture
def post(serve):
    def send(dsn: str | list[str], body: bytes, max_bytes: int = 1000, **headers: str):
        app = FastAPI()
        app.add_route("/tunnel", tunnel(dsn, max_bytes=max_bytes), methods=["POST"])
        return serve(app).post("/tunnel", content=body, headers=headers)

    return send


def envelope(dsn: str) -> bytes:
    return b'{"dsn": "%s"}\n{"type": "event"}\n{}\n' % dsn.encode()


def test_an_envelope_goes_to_the_project_of_the_dsn_as_it_came(tracker, post):
    answer = post(tracker.dsn, envelope(tracker.dsn), **{"User-Agent": "Browser/5", "Cookie": "session=sesame"})
    [(path, headers, body)] = tracker.requests
    assert answer.status_code == 200
    assert path == "/api/7/envelope/"
    assert body == envelope(tracker.dsn)
    assert headers["user-agent"] == "Browser/5"
    assert f"sentry_key={KEY}" in headers["x-sentry-auth"]
    assert "cookie" not in headers, "what the browser sends to the app is not the tracker's business"


def test_an_envelope_that_names_no_dsn_goes_to_the_same_place(tracker, post):
    assert post(tracker.dsn, b'{}\n{"type": "event"}\n{}\n').status_code == 200
    assert len(tracker.requests) == 1


def test_of_several_projects_each_gets_its_own(tracker, post):
    other = tracker.dsn.replace(KEY, "f" * 32).replace("/7", "/8")
    allowed = [tracker.dsn, other]
    assert post(allowed, envelope(other)).status_code == 200
    assert post(allowed, envelope(tracker.dsn)).status_code == 200
    assert [path for path, _, _ in tracker.requests] == ["/api/8/envelope/", "/api/7/envelope/"]
    assert f"sentry_key={'f' * 32}" in tracker.requests[0][1]["x-sentry-auth"]


@pytest.mark.parametrize("named", [b"{}", b'{"dsn": "http://%s@127.0.0.1/8"}' % KEY.encode()])
def test_among_several_an_envelope_must_name_one_that_is_allowed(tracker, post, named):
    """The key of one project with the number of another is none of them."""
    allowed = [tracker.dsn, tracker.dsn.replace(KEY, "f" * 32).replace("/7", "/8")]
    assert post(allowed, named + b'\n{"type": "event"}\n{}\n').status_code == 403
    assert tracker.requests == []


@pytest.mark.parametrize(
    "header",
    [
        b'{"dsn": "http://ffffffffffffffffffffffffffffffff@127.0.0.1/7"}',
        b'{"dsn": "http://0123456789abcdef0123456789abcdef@127.0.0.1/8"}',
        b'{"dsn": "nonsense"}',
        b'{"dsn": 7}',
        b'"dsn"',
        b"[]",
        b"not json",
        b"",
        b"\xff\xfe",
    ],
)
def test_what_names_another_dsn_or_is_no_envelope_is_refused(tracker, post, header):
    assert post(tracker.dsn, header + b'\n{"type": "event"}\n{}\n').status_code == 403
    assert tracker.requests == []


@pytest.mark.parametrize("encoding", ["gzip", "br", "anything"])
def test_what_cannot_be_looked_into_is_refused(tracker, post, encoding):
    """A compressed envelope of another DSN would pass unseen."""
    assert post(tracker.dsn, b"\x1f\x8b", **{"Content-Encoding": encoding}).status_code == 415
    assert tracker.requests == []


def test_the_host_in_the_envelope_decides_nothing(tracker, post):
    body = envelope(f"http://{KEY}@elsewhere.example.org/7")
    assert post(tracker.dsn, body).status_code == 200
    assert len(tracker.requests) == 1


def test_a_body_that_is_too_long_is_refused_before_it_is_read_to_its_end(tracker, post):
    assert post(tracker.dsn, envelope(tracker.dsn) + b"x" * 1000).status_code == 413
    assert tracker.requests == []


def test_redirects_are_not_followed(tracker, post):
    tracker.status, tracker.headers = 307, {"Location": f"http://127.0.0.1:{tracker.server_port}/elsewhere"}
    assert post(tracker.dsn, envelope(tracker.dsn)).status_code == 424
    assert len(tracker.requests) == 1


@pytest.mark.parametrize(("theirs", "ours"), [(200, 200), (429, 429), (413, 413), (400, 400), (403, 424), (500, 424)])
def test_answers_that_concern_the_browser_pass_and_others_are_the_gateways(tracker, post, theirs, ours):
    tracker.status = theirs
    assert post(tracker.dsn, envelope(tracker.dsn)).status_code == ours


def test_a_dead_tracker_is_a_bad_gateway(post):
    dsn = f"http://{KEY}@127.0.0.1:9/7"
    assert post(dsn, envelope(dsn)).status_code == 424


def test_without_a_dsn_everything_is_taken_and_nothing_sent(post):
    assert post("", b"anything").status_code == 200
    assert post("", b"x" * 1001).status_code == 413


def test_a_dsn_that_cannot_be_read_is_told_at_the_start():
    with pytest.raises(BadDsn):
        tunnel("nonsense")


def test_a_tracker_that_hangs_takes_no_thread_of_the_apps_handlers(tracker, serve):
    """Synchronous handlers share forty threads; fifty waiting envelopes must not be in them."""
    app = FastAPI()
    app.add_route("/tunnel", tunnel(tracker.dsn), methods=["POST"])

    @app.get("/sync")
    def sync():
        return {"ok": True}

    tracker.may_answer.clear()

    async def ask():
        async with serve(app).client() as client:
            body = envelope(tracker.dsn)
            waiting = [asyncio.create_task(client.post("/tunnel", content=body)) for _ in range(50)]
            await asyncio.to_thread(tracker.was_asked.wait, 10)
            answer = await client.get("/sync")
            held_up = sum(not task.done() for task in waiting)
            tracker.may_answer.set()
            return answer, held_up, await asyncio.gather(*waiting)

    answer, held_up, forwarded = asyncio.run(ask())
    assert answer.json() == {"ok": True}
    assert held_up == 50
    assert {one.status_code for one in forwarded} == {200}


def test_a_page_that_is_left_while_it_sends_is_no_error(init, sent, serve):
    app = FastAPI()
    app.add_route("/tunnel", tunnel(""), methods=["POST"])
    init(app)
    scope = {"type": "http", "method": "POST", "path": "/tunnel", "query_string": b"", "headers": []}
    messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    try:
        serve(app).run(scope, *messages)
    except ClientDisconnect:
        pytest.fail("the page's leaving became an error of the app")
    assert sent.events() == []
