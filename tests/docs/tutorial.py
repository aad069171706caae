"""The tutorial's reader: does all of the page, and looks whether Slack was told."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.docs.pages import Page
from tests.docs.terminal import Reader, reading

PAGE = Page.read("docs/tutorial/first-alert.md")


class Slack:
    """Takes messages as an incoming webhook of Slack does."""

    def __init__(self) -> None:
        messages: list[dict] = []

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_arguments: object) -> None:
                pass

        self.messages = messages
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/T0/B0/xyz"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def slack() -> Iterator[Slack]:
    stand_in = Slack()
    try:
        yield stand_in
    finally:
        stand_in.close()


def follow(folder: Path, after_venv: Callable[[Path], None]) -> list[str]:
    """
    Follow the page in an empty folder.

    Args:
        after_venv: called with the reader's virtual environment before anything is installed into it.

    Returns:
        The texts of the messages that Slack got.
    """
    install, serve, run_app, break_it = PAGE.snippets("sh")
    make_venv, activate, install_packages = install.strip().splitlines()
    with slack() as told, reading(folder, told.url) as reader:
        reader.type(make_venv)
        after_venv(reader.folder / ".venv")
        reader.type(f"{activate}\n{install_packages}")
        greeting = reader.type(f"{activate}\n{serve}")  # the same terminal, so it is activated still
        reader.instead["http://KEY@127.0.0.1:8790/1"] = _dsn(greeting)
        reader.instead = dict(sorted(reader.instead.items(), key=lambda one: -len(one[0])))  # longest first
        reader.save("main.py", PAGE.snippets("python")[0])
        assert "Error tracking is on" in reader.type(run_app)
        _check_answer(reader, break_it)
        deadline_s = time.monotonic() + 30
        while len(told.messages) < 2:
            assert time.monotonic() < deadline_s, f"Slack heard only {told.messages}"
            time.sleep(0.05)
        return [json.dumps(message) for message in told.messages]


def _dsn(greeting: str) -> str:
    found = re.search(r"server key: (\S+)", greeting)
    assert found, greeting
    return found[1]


def _check_answer(reader: Reader, command: str) -> None:
    answer = json.loads(reader.type(command))
    [shown] = map(json.loads, PAGE.snippets("json"))
    assert answer.keys() == shown.keys()
    assert answer["detail"] == shown["detail"]
