"""What leaves by the newer kinds of signals, as the newest sentry-sdk writes it to a socket."""

import gzip
import itertools
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SECRET = "Zaunkoenig4711xq"


@pytest.fixture
def sink():
    """A server that keeps what it is sent, unpacked."""
    bodies: list[bytes] = []

    class Keep(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers.get("Content-Encoding") in (None, "gzip"), "else nobody looked into it"
            bodies.append(str(self.headers).encode() + (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keep)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, bodies
    server.shutdown()
    thread.join()
    server.server_close()


def test_logs_metrics_and_streamed_spans_carry_no_secret_on_the_wire(sink):
    """They pass no `before_send`: in attributes, bodies and parameters of templates secrets would leave untouched."""
    port, bodies = sink
    script = Path(__file__).parent / "telling_signals.py"
    environment = os.environ | {"SECRET": SECRET, "DSN": f"http://{'0' * 32}@127.0.0.1:{port}/1"}
    ran = subprocess.run(
        [sys.executable, script], env=environment, check=False, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr

    everything = b"\n".join(bodies).decode()
    lines = [json.loads(line) for line in everything.splitlines() if line.startswith("{")]
    items = {(line["type"], item.get("body") or item.get("name")): item
             for line, payload in itertools.pairwise(lines)
             if line.get("type") in ("log", "trace_metric", "span")
             for item in payload["items"]}  # fmt: skip
    orders = {
        name: item["attributes"]["order"]["value"] for name, item in items.items() if "order" in item["attributes"]
    }

    assert SECRET not in everything
    assert SECRET[:8] not in everything, "nor a part of it"
    assert {kind for kind, _ in items} == {"log", "trace_metric", "span"}
    assert {
        ("trace_metric", "orders"),
        ("trace_metric", "basket"),
        ("trace_metric", "open"),
        ("span", "checkout"),
    } <= set(items)
    assert sum(kind == "log" for kind, _ in items) == 3
    assert sorted(orders.values()) == [7, 8, 10], "what is harmless stands beside it"
