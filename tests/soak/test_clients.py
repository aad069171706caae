"""
Real clients, unmodified, over sockets: what they sent equals what is stored, and the accounting adds up.

The newest of each, installed by its own package manager into a folder of the test. sentry-cli is not open source; it is
only run here, as anybody's program.
"""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import venv
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from playwright.sync_api import sync_playwright

from demo.browser import launch
from tests.soak.recorder import Recorder, recording
from ukemi.collector.store import bodies, outcomes, schema
from ukemi.collector.store.database import Database
from ukemi.privacy import DEFAULT_RULES, scrub
from ukemi.protocol.envelope import Item
from ukemi.protocol.event import decode_event
from ukemi.protocol.quantities import quantities
from ukemi.protocol.session import ENDINGS
from ukemi.protocol.transaction import read_spans

ROOT = Path(__file__).parent.parent.parent
UKEMI = [sys.executable, "-m", "ukemi.cli.main"]
SECRET = "hunter2-hunter2"
NPM = ["@sentry/node@latest", "@sentry/cli@latest"]
OURS = {"contexts", "user", "_meta", "breadcrumbs"}
"""Where the collector adds (browser, address, remarks), or bounds; looked at by what they hold, not as a whole."""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

PYTHON = """
import sys, sentry_sdk
sentry_sdk.init(sys.argv[1], release="app@1.0.0", environment="prod", traces_sample_rate=1.0, send_default_pii=True)
with sentry_sdk.start_transaction(op="task", name="nightly", source="task"):
    with sentry_sdk.start_span(op="db"):
        try:
            password = "SECRET"
            {}["missing"]
        except KeyError:
            sentry_sdk.capture_exception()
sentry_sdk.capture_message("hello", level="warning")
with sentry_sdk.new_scope() as scope:
    scope.add_attachment(bytes=b"line 1\\nline 2", filename="app.log")
    sentry_sdk.capture_message("with a file")
sentry_sdk.flush(10)
sentry_sdk.get_client().close(10)
"""
NODE = """
import * as Sentry from "@sentry/node";
Sentry.init({ dsn: process.argv[2], release: "web@1.0.0", environment: "prod", tracesSampleRate: 1, enableLogs: true });
Sentry.setUser({ id: "1" });
Sentry.startSpan({ name: "GET /x", op: "http.server" }, () => Sentry.startSpan({ name: "SELECT 1", op: "db" }, () => {}));
const id = Sentry.captureException(new Error("outer", { cause: new TypeError("inner") }));
Sentry.captureMessage("hello", "warning");
Sentry.captureFeedback({ message: "I like it", name: "Bob", email: "bob@example.org", associatedEventId: id });
Sentry.withScope((scope) => { scope.addAttachment({ filename: "a.txt", data: "hello\\nworld" }); Sentry.captureMessage("file"); });
Sentry.logger.info("a line");
Sentry.captureCheckIn({ monitorSlug: "nightly", status: "ok" });
await Sentry.close(10000);
"""
PAGE = """<!doctype html><meta charset="utf-8"><title>page</title><body><script src="/bundle.js"></script>"""
BROWSER = """
import * as Sentry from "@sentry/browser";
Sentry.init({ dsn: new URLSearchParams(location.search).get("dsn"), release: "web@1.0.0", environment: "prod",
  integrations: [Sentry.browserTracingIntegration()], tracesSampleRate: 1 });
const id = Sentry.captureException(new Error("handled"));
Sentry.captureFeedback({ message: "it broke", email: "ann@example.org", associatedEventId: id });
setTimeout(() => null.foo, 50);
setTimeout(async () => { await Sentry.flush(5000); document.title = "done"; }, 1500);
"""


class Collector:
    def __init__(self, url: str, dsn: str, data_dir: Path) -> None:
        self.url, self.dsn, self.data_dir = url, dsn, data_dir
        self.database = Database(f"sqlite:///{data_dir / 'ukemi.db'}")

    def totals(self) -> Counter[tuple[str, str, str]]:
        with self.database.read() as tx:
            return outcomes.totals(tx, 1, 0)

    def rows(self, table: sa.Table) -> list[sa.Row]:
        with self.database.read() as tx:
            return list(tx.execute(sa.select(table).where(table.c.project_id == 1)))


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    data_dir = tmp_path / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("UKEMI_", "SENTRY_"))}
    with (tmp_path / "log").open("w") as log:
        command = [*UKEMI, "serve", "--data-dir", data_dir, "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    greeting = ""
    for line in process.stdout:
        greeting += line
        if "listening on" in line:
            break
    url = re.search(r"listening on (http://\S+)", greeting)[1]
    dsn = re.search(r"server key: (\S+)", greeting)[1]
    yield Collector(url, dsn, data_dir)
    process.terminate()
    process.wait(30)
    process.stdout.close()


@pytest.fixture
def recorder(collector: Collector) -> Iterator[Recorder]:
    with recording(collector.url) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def npm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    command = [npm(), "install", "--no-audit", "--no-fund", "--ignore-scripts", *NPM]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=node_environment())
    return folder


def node_environment() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def npm() -> str:
    return str(Path(sys.executable).parent / "npm")


def items_of(recorder: Recorder) -> list[tuple[str | None, Item]]:
    return [(envelope.header.event_id, item) for envelope in recorder.envelopes for item in envelope.items]


def wait_for_account(collector: Collector, recorder: Recorder) -> None:
    """Until everything that was sent has its outcome; then the sums must be equal, category by category."""
    sent: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for _, item in items_of(recorder):
        if item.header.type == "client_report":
            for entry in json.loads(item.payload)["discarded_events"]:
                lost[entry["category"]] += entry["quantity"]
        else:
            for category, quantity in quantities(item.header.type, item.payload):
                sent[category] += quantity
    told: Counter[str] = Counter()
    for _ in range(200):
        told = Counter()
        for (category, kind, _reason), quantity in collector.totals().items():
            if kind != "lost":
                told[category] += quantity
        if told == sent:
            break
        time.sleep(0.1)
    assert told == sent
    assert Counter({c: n for (c, kind, _), n in collector.totals().items() if kind == "lost"}) == lost


def check_events(collector: Collector, recorder: Recorder) -> list[dict]:
    """What was sent is what is stored, but for what scrubbing takes out."""
    hash_key = (collector.data_dir / "pii.key").read_bytes()
    rules = dataclasses.replace(DEFAULT_RULES, hash_key=hash_key)
    bases = {(row.issue_id, row.received_day): row.body for row in collector.rows(schema.event_base)}
    stored = {
        row.id.hex(): json.loads(bodies.decompress(row.body, bases.get((row.issue_id, row.received_day))))
        for row in collector.rows(schema.event)
    }
    sent = {}
    for envelope_id, item in items_of(recorder):
        if item.header.type == "event":
            tree = decode_event(item.payload)
            sent[(envelope_id or tree["event_id"]).replace("-", "")] = tree
    assert stored.keys() == sent.keys()
    for event_id, tree in sent.items():
        expected, found = scrub(tree, rules).tree, stored[event_id]
        for name in expected.keys() - OURS - {"event_id"}:
            assert (name, found.get(name)) == (name, expected[name])
        for name, content in expected.get("contexts", {}).items():
            assert found["contexts"][name] == content
        assert len(found.get("breadcrumbs") or []) == len(expected.get("breadcrumbs") or [])
    return list(stored.values())


def check_rest(collector: Collector, recorder: Recorder) -> None:
    """Transactions, sessions, feedback and attachments are as many as were sent."""
    sent = Counter(item.header.type for _, item in items_of(recorder))
    segments = sum(len(read_spans(i.payload)[0]) for _, i in items_of(recorder) if i.header.type == "span")
    minutes = [row for row in collector.rows(schema.transaction_count) if row.width_s == 60]
    assert sum(row.sample_count for row in minutes) == sent["transaction"] + segments
    assert len(collector.rows(schema.feedback)) == sent["feedback"]
    files = {item.payload for _, item in items_of(recorder) if item.header.type == "attachment"}
    assert {bodies.decompress(row.body) for row in collector.rows(schema.attachment)} == files
    payloads = [(item.header.type, item.payload) for _, item in items_of(recorder)]
    individual = [json.loads(payload) for kind, payload in payloads if kind == "session"]
    sums = [bucket for kind, payload in payloads if kind == "sessions" for bucket in json.loads(payload)["aggregates"]]
    sessions = len({one["sid"] for one in individual if one["init"]})
    sessions += sum(bucket.get(ending, 0) for bucket in sums for ending in ENDINGS)
    assert sum(row.started for row in collector.rows(schema.session_count) if row.width_s == 60) == sessions


@pytest.mark.parametrize("version", ["sentry-sdk", "sentry-sdk==2.8.0"])
def test_python(collector: Collector, recorder: Recorder, tmp_path: Path, version: str) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", version], check=True)
    script = tmp_path / "app.py"
    script.write_text(PYTHON.replace("SECRET", SECRET))
    subprocess.run([python, script, recorder.dsn(collector.dsn)], check=True, timeout=120)
    wait_for_account(collector, recorder)
    events = check_events(collector, recorder)
    check_rest(collector, recorder)
    assert len(events) == 3
    assert len(collector.rows(schema.transaction_sample)) == 1
    assert len(collector.rows(schema.attachment)) == 1
    assert SECRET not in json.dumps(events).replace(f'password = \\"{SECRET}\\"', "")


def test_node(collector: Collector, recorder: Recorder, npm_folder: Path) -> None:
    script = npm_folder / "app.mjs"
    script.write_text(NODE)
    node = str(Path(sys.executable).parent / "node")
    subprocess.run([node, script, recorder.dsn(collector.dsn)], check=True, timeout=120, env=node_environment())
    wait_for_account(collector, recorder)
    events = check_events(collector, recorder)
    check_rest(collector, recorder)
    assert len(events) == 3
    (said,) = collector.rows(schema.feedback)
    assert said.issue_id
    assert said.message == "I like it"
    assert collector.totals()["monitor", "not_kept", "check_in"] == 1
    assert collector.totals()["log_item", "not_kept", "log"] >= 1


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Where a page of its own origin is served from; its files lie in `tmp_path`/site."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text(PAGE)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_browser(collector: Collector, recorder: Recorder, tmp_path: Path, site: str) -> None:
    modules = ROOT / "assets" / "node_modules"
    source = tmp_path / "page.js"
    source.write_text(BROWSER)
    bundle = [modules / ".bin" / "esbuild", source, "--bundle", f"--outfile={tmp_path / 'site' / 'bundle.js'}"]
    subprocess.run(bundle, check=True, capture_output=True, env=node_environment() | {"NODE_PATH": str(modules)})
    command = [*UKEMI, "key", "create", "1", "--kind", "browser", "--json", "--data-dir", collector.data_dir]
    dsn = json.loads(subprocess.check_output(command, text=True))["dsn"]
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        page = chromium.new_page()
        page.goto(f"{site}/?{urlencode({'dsn': recorder.dsn(dsn)})}")
        page.wait_for_function("document.title === 'done'", timeout=30_000)
        page.goto("about:blank")
        page.wait_for_timeout(1000)
        chromium.close()
    wait_for_account(collector, recorder)
    events = check_events(collector, recorder)
    check_rest(collector, recorder)
    assert len(events) == 2
    assert {row.key_kind for row in collector.rows(schema.session_count)} == {"browser"}
    (said,) = collector.rows(schema.feedback)
    assert said.issue_id


def run_cli(folder: Path, *arguments: str, dsn: str, **environment: str) -> None:
    (program,) = (folder / "node_modules" / "@sentry").glob("cli-linux-*/bin/sentry-cli")
    clean = {"SENTRY_DSN": dsn, "PATH": os.environ["PATH"], "HOME": str(folder), "DB_PASSWORD": SECRET, **environment}
    subprocess.run([program, *arguments], check=True, timeout=60, env=clean, cwd=folder, capture_output=True)


def test_sentry_cli_send_event(collector: Collector, recorder: Recorder, npm_folder: Path) -> None:
    """It sends the whole environment along; what is secret in it does not get as far as the disk."""
    token = "sntrys_" + "abcdefghijklmnopqrstuvwxyz0123456789" * 2
    dsn = recorder.dsn(collector.dsn)
    run_cli(npm_folder, "send-event", "-m", "Hello", "-t", "a:b", "-r", "app@1", dsn=dsn, SENTRY_AUTH_TOKEN=token)
    assert SECRET.encode() in recorder.bodies[0]
    wait_for_account(collector, recorder)
    (event,) = check_events(collector, recorder)
    assert event["extra"]["environ"]["DB_PASSWORD"] == "[Filtered]"
    assert event["extra"]["environ"]["PATH"] == os.environ["PATH"]
    assert SECRET not in json.dumps(event)
    assert token not in json.dumps(event)


def test_sentry_cli_send_envelope(collector: Collector, recorder: Recorder, npm_folder: Path, tmp_path: Path) -> None:
    """Golden envelopes once more, through another client."""
    golden = sorted((ROOT / "tests" / "golden").glob("*.envelope"))
    for path in golden:
        shutil.copy(path, tmp_path)
        run_cli(npm_folder, "send-envelope", "--raw", str(tmp_path / path.name), dsn=recorder.dsn(collector.dsn))
    assert recorder.statuses == [200] * len(golden)
    wait_for_account(collector, recorder)
    check_events(collector, recorder)
