"""Every request is counted, in numbers that can be sent again without being counted twice."""

import json
import os
import threading
from contextlib import asynccontextmanager

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse

from ukemi.protocol.request_counts import read_request_counts
from ukemi.protocol.vocabulary import latency_bin
from ukemi.sdk import runtime
from ukemi.sdk.request_counts import MAX_FAILURES, MAX_ROUTES, Reporter, RequestCounter


class Clock:
    """A clock that goes on when it is told to, and by `tick_s` at each look, as real ones do."""

    def __init__(self, tick_s: float = 0.0) -> None:
        self.now_s, self.tick_s = 1000.0, tick_s

    def __call__(self) -> float:
        self.now_s += self.tick_s
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counter(clock) -> RequestCounter:
    return RequestCounter("test", "shop@1.0", clock)


def read(report):
    """The report as the collector reads it: it must fit."""
    return read_request_counts(json.dumps(report).encode())


def test_a_report_holds_absolute_numbers_and_ages(counter, clock):
    counter.count("GET", "/members/{id}", 200, 12.0)
    counter.count("GET", "/members/{id}", 200, 12.0)
    counter.count("POST", "/members", 201, 80.0)
    clock.now_s += 3

    report = read(counter.report())

    assert (report.environment, report.release, report.ended) == ("test", "shop@1.0", False)
    assert (report.instance.pid, report.instance.age_ms) == (os.getpid(), 3000)
    assert (report.since_request_ms, report.since_success_ms) == (3000, 3000)
    assert (report.failures_ms, report.failure_count) == ([], 0)
    [bucket] = report.buckets
    assert (bucket.sequence, bucket.age_ms) == (0, 3000)
    counts = {(one.method, one.route, one.status): (one.count, one.latency) for one in bucket.routes}
    assert counts == {
        ("GET", "/members/{id}", 200): (2, {str(latency_bin(12.0)): 2}),
        ("POST", "/members", 201): (1, {str(latency_bin(80.0)): 1}),
    }


def test_a_new_counter_has_nothing_to_say(counter):
    report = read(counter.report())
    assert (report.buckets, report.since_request_ms, report.since_success_ms) == ([], None, None)


def test_buckets_of_ten_seconds_keep_their_numbers(counter, clock):
    for _ in range(3):
        counter.count("GET", "/", 200, 1.0)
        clock.now_s += 10
    buckets = read(counter.report()).buckets
    assert [(bucket.sequence, bucket.age_ms) for bucket in buckets] == [(0, 30000), (1, 20000), (2, 10000)]


def test_the_latest_six_buckets_are_sent_again_with_the_same_numbers(counter, clock):
    for number in range(9):
        counter.count("GET", f"/{number}", 200, 1.0)
        clock.now_s += 10
    clock.now_s -= 10
    first, second = read(counter.report()), read(counter.report())
    assert [bucket.sequence for bucket in first.buckets] == [3, 4, 5, 6, 7, 8]
    assert first.buckets == second.buckets


def test_failures_are_those_since_the_latest_success(counter, clock):
    counter.count("GET", "/", 500, 1.0)
    counter.count("GET", "/", 200, 1.0)
    for status in (500, 503, 599):
        clock.now_s += 1
        counter.count("GET", "/", status, 1.0)
    clock.now_s += 1
    report = read(counter.report())
    assert report.failures_ms == [3000, 2000, 1000], "oldest first"
    assert (report.failure_count, report.since_success_ms, report.since_request_ms) == (3, 4000, 1000)


@pytest.mark.parametrize("status", [200, 304, 404, 429, 499])
def test_every_answer_below_500_is_a_success(counter, status):
    counter.count("GET", "/", 500, 1.0)
    counter.count("GET", "/", status, 1.0)
    assert read(counter.report()).failure_count == 0


def test_failures_are_all_counted_while_only_the_latest_are_listed(counter):
    for _ in range(MAX_FAILURES + 30):
        counter.count("GET", "/", 500, 1.0)
    report = read(counter.report())
    assert (len(report.failures_ms), report.failure_count) == (MAX_FAILURES, MAX_FAILURES + 30)


def test_a_flood_of_routes_is_bounded_and_all_of_it_counted(counter):
    for number in range(MAX_ROUTES * 3):
        counter.count("GET", f"/{number}", 200, 1.0)
    [bucket] = read(counter.report()).buckets
    assert len(bucket.routes) == MAX_ROUTES + 1
    assert sum(one.count for one in bucket.routes) == MAX_ROUTES * 3
    assert {one.route: one.count for one in bucket.routes}["<other>"] == MAX_ROUTES * 2


def test_what_strangers_can_choose_makes_no_new_lines(counter):
    for number in range(50):
        counter.count(f"METHOD{number}", None, 404, 1.0)
    [bucket] = read(counter.report()).buckets
    assert [(one.method, one.route, one.count) for one in bucket.routes] == [("OTHER", "<unmatched>", 50)]


@pytest.mark.parametrize(("status", "counted"), [(0, 100), (99, 100), (600, 599), (999, 599)])
def test_a_status_that_http_does_not_know_spoils_no_report(counter, status, counted):
    counter.count("GET", "/", status, 1.0)
    assert read(counter.report()).buckets[0].routes[0].status == counted


@pytest.mark.parametrize("duration_ms", [0.0, -1.0, 0.05, 1e9])
def test_any_duration_has_its_bin(counter, duration_ms):
    counter.count("GET", "/", 200, duration_ms)
    assert sum(read(counter.report()).buckets[0].routes[0].latency.values()) == 1


def test_a_fork_is_another_instance_that_begins_anew(clock):
    """Under a preloading server the counter is made before the processes are; the real clock goes on all the while."""
    clock.tick_s = 0.001
    counter = RequestCounter("test", "shop@1.0", clock)
    counter.count("GET", "/parent", 200, 1.0)
    parent = read(counter.report())
    reading, writing = os.pipe()
    # A fork on purpose: what is tested is what comes of it. The child does nothing but report.
    if (child := os.fork()) == 0:
        try:
            counter.count("GET", "/child", 200, 1.0)
            os.write(writing, json.dumps(counter.report()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        forked = read_request_counts(pipe.read())
    os.waitpid(child, 0)

    assert forked.instance.id != parent.instance.id
    assert forked.instance.pid == child
    assert [(bucket.sequence, [one.route for one in bucket.routes]) for bucket in forked.buckets] == [(0, ["/child"])]


def test_many_threads_lose_no_request(counter):
    def work():
        for _ in range(500):
            counter.count("GET", "/", 200, 1.0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.report()["buckets"][0]["routes"][0]["count"] == 4000


class TestReporter:
    def test_it_reports_from_a_thread_and_says_good_bye_once(self, counter):
        reports, arrived = [], threading.Event()

        def send(write, **_options):
            reports.append(write())
            arrived.set()

        reporter = Reporter(counter, send)
        reporter.count("GET", "/", 200, 1.0)
        assert arrived.wait(10)
        reporter.end()
        reporter.end()

        assert reports[-1]["ended"] is True
        assert len(reports) <= 3, "the second end says nothing"

    def test_a_report_that_waits_while_the_last_overtakes_it_does_not_take_the_good_bye_back(self, counter):
        waiting, arrived = [], threading.Event()

        def send(write, **_options):
            waiting.append(write)
            arrived.set()

        reporter = Reporter(counter, send)
        reporter.count("GET", "/", 200, 1.0)
        assert arrived.wait(10)
        reporter.end()

        assert [write()["ended"] for write in (waiting[-1], waiting[0])] == [True, True]

    def test_it_says_nothing_where_nothing_was_served(self, counter):
        reports = []
        Reporter(counter, reports.append).end()
        assert reports == []

    def test_a_report_that_cannot_be_sent_ends_nothing(self, counter):
        tries, again = [], threading.Event()

        def send(write, **_options):
            tries.append(write)
            if len(tries) == 2:
                again.set()
            raise OSError("no network")

        reporter = Reporter(counter, send)
        reporter.count("GET", "/", 200, 1.0)
        assert again.wait(10)
        reporter.end()
        assert runtime.current().internal["request_counts_not_sent"] >= 2


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()

    @app.get("/members/{number}")
    async def member(number: int): ...

    @app.get("/fail")
    async def fail():
        raise ValueError("broken")

    @app.get("/background")
    async def background(tasks: BackgroundTasks):
        def fail():
            raise ValueError("broken afterwards")

        tasks.add_task(fail)

    @app.get("/stream")
    async def stream():
        async def rows():
            yield "first"
            raise ValueError("midway")

        return StreamingResponse(rows())

    @app.get("/health")
    async def health(): ...

    @app.get("/api/ready")
    async def ready(): ...

    return app


@pytest.fixture
def counted(sent):
    """What the last report says: (method, route, status) → requests."""

    def ask() -> dict[tuple[str, str, int], int]:
        counter = runtime.current().counter
        counter.end()
        reports = sent.items("ukemi_request_counts")
        if not reports:
            return {}
        routes = [one for bucket in read(reports[-1]).buckets for one in bucket.routes]
        found: dict[tuple[str, str, int], int] = {}
        for one in routes:
            key = (one.method, one.route, one.status)
            found[key] = found.get(key, 0) + one.count
        return found

    return ask


def test_requests_are_counted_by_template_method_and_status(init, serve, app, counted):
    init(app)
    client = serve(app)
    for path in ("/members/1", "/members/2", "/members/x", "/fail", "/nowhere/1", "/nowhere/2"):
        client.get(path)
    client.post("/members/1")
    assert counted() == {
        ("GET", "/members/{number}", 200): 2,
        ("GET", "/members/{number}", 422): 1,
        ("GET", "/fail", 500): 1,
        ("GET", "<unmatched>", 404): 2,
        ("POST", "/members/{number}", 405): 1,
    }


def test_health_checks_are_not_counted(init, serve, app, counted):
    init(app)
    for path in ("/health", "/api/ready"):
        serve(app).get(path)
    assert counted() == {}


def test_a_failure_after_the_answer_is_no_failed_request(init, sent, serve, app, counted):
    """The client has its answer; the error is an event all the same."""
    init(app)
    serve(app).get("/background")
    assert counted() == {("GET", "/background", 200): 1}
    assert len(sent.events()) == 1


def test_an_answer_that_breaks_off_is_a_failed_request(init, serve, app, counted):
    init(app)
    serve(app).get("/stream")
    assert counted() == {("GET", "/stream", 500): 1}


def test_requests_are_counted_although_no_transaction_is_kept(init, sent, serve, app, counted):
    init(app, traces_sample_rate=0.0)
    serve(app).get("/members/1")
    assert counted() == {("GET", "/members/{number}", 200): 1}
    assert sent.items("transaction") == []


@pytest.mark.parametrize("host", ["sentry.io", "o1.ingest.sentry.io", "o1.ingest.us.SENTRY.io"])
def test_sentrys_own_service_gets_no_counts(init, sent, serve, app, host):
    init(app, dsn=f"https://0123456789abcdef@{host}/1")
    serve(app).get("/members/1")
    assert runtime.current().counter is None
    assert sent.items("ukemi_request_counts") == []


def test_the_end_of_the_apps_life_is_said(init, sent, serve):
    @asynccontextmanager
    async def life(app):
        yield
        assert sent.items("ukemi_request_counts") == [] or not sent.items("ukemi_request_counts")[-1]["ended"]

    app = FastAPI(lifespan=life)

    @app.get("/")
    async def home(): ...

    init(app)
    serve(app).get("/")
    serve(app).live()
    assert sent.items("ukemi_request_counts")[-1]["ended"] is True
