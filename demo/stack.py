"""Everything that the demo runs, started and stopped: stand-ins, collector, backend."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvicorn

from demo import inbox as inbox_module
from demo import payments
from demo.inbox import ROUTING_KEY, Inbox
from demo.mail import open_mailbox
from ukemi.collector.alerts import rules_file
from ukemi.collector.core.rule import scaled

ROOT = Path(__file__).parent.parent
FASTER = 30
"""The windows of the rules are divided by this, for nobody wants to watch a demo for half an hour."""
WORKERS = 2
PORTS = {"collector": 8790, "backend": 8791, "payments": 8792, "inbox": 8793}


@dataclass(frozen=True)
class Stack:
    """The running demo, by addresses."""

    collector: str
    backend: str
    payments: str
    inbox: str
    sign_in: str
    """A link that signs a person in, once."""
    web: httpx.Client
    """Signed in to the collector's pages."""


@contextmanager
def running(folder: Path, *, fixed_ports: bool) -> Iterator[Stack]:
    """
    Start everything with fresh data in `folder`; stop it at the end.

    Args:
        fixed_ports: the known ports where they are free; else any free ones.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    secret = "whsec_" + b64encode(secrets.token_bytes(24)).decode()
    inbox = Inbox(secret)
    servers = [
        _serve(payments.create_app(), _port("payments", fixed=fixed_ports)),
        _serve(inbox_module.create_app(inbox), _port("inbox", fixed=fixed_ports)),
    ]
    mail = open_mailbox(inbox.email, _port("mail", fixed=False))
    payments_url, inbox_url = (f"http://127.0.0.1:{server.config.port}" for server in servers)
    processes: list[subprocess.Popen[str]] = []
    try:
        environment = _environment() | {
            "UKEMI_FIRST_PROJECT": "WWMAA",
            "UKEMI_DATA_DIR": str(folder / "collector"),
            "UKEMI_RULES_FILE": str(_write_rules(folder)),
            "UKEMI_SLACK_URL": f"{inbox_url}/slack",
            "UKEMI_PAGERDUTY_URL": f"{inbox_url}/pagerduty",
            "UKEMI_PAGERDUTY_ROUTING_KEY": ROUTING_KEY,
            "UKEMI_WEBHOOK_URL": f"{inbox_url}/webhook",
            "UKEMI_WEBHOOK_SECRET": secret,
            "UKEMI_SMTP_URL": f"smtp://127.0.0.1:{mail.port}?tls=none",
            "UKEMI_EMAIL_TO": "team@example.org",
            "UKEMI_EMAIL_FROM": "ukemi@example.org",
            "UKEMI_OUTGOING_ALLOW": '["127.0.0.0/8"]',
        }
        collector, greeting = _start_collector(folder, environment, _port("collector", fixed=fixed_ports), processes)
        environment["UKEMI_BASE_URL"] = collector
        dsns = dict(re.findall(r"(server|browser) key: (\S+)", greeting))
        backend = _start_backend(folder, dsns, payments_url, _port("backend", fixed=fixed_ports), processes)
        with httpx.Client(base_url=collector, follow_redirects=True) as web:
            web.post(_sign_in_link(environment)).raise_for_status()
            yield Stack(collector, backend, payments_url, inbox_url, _sign_in_link(environment), web)
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(30)
            if process.stdout:
                process.stdout.close()
        for server in servers:
            server.should_exit = True
        mail.stop()


def _environment() -> dict[str, str]:
    """The caller's environment without settings that are meant for something else."""
    ours = ("UKEMI_", "SENTRY_", "STRIPE_", "DATABASE_URL", "JWT_SECRET", "PYTHON_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _write_rules(folder: Path) -> Path:
    rules = rules_file.load(None)
    faster = msgspec.structs.replace(rules, rules=[scaled(rule, FASTER) for rule in rules.rules])
    path = folder / "rules.toml"
    path.write_text(rules_file.write(faster), "utf-8")
    return path


def _start_collector(
    folder: Path, environment: dict[str, str], port: int, processes: list[subprocess.Popen[str]]
) -> tuple[str, str]:
    with (folder / "collector.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ukemi.cli.main", "serve", "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
            cwd=folder,
        )
    processes.append(process)
    greeting = ""
    for line in process.stdout or ():
        greeting += line
        if found := re.search(r"listening on (\S+)", line):
            _wait_for(f"{found[1]}/health", process, folder / "collector.log")
            return found[1], greeting
    raise SystemExit(f"The collector did not start:\n{greeting}{(folder / 'collector.log').read_text()}")


def _start_backend(
    folder: Path, dsns: dict[str, str], payments_url: str, port: int, processes: list[subprocess.Popen[str]]
) -> str:
    environment = _environment() | {
        "PYTHON_ENV": "demo",
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": f"sqlite:///{folder / 'wwmaa.db'}",
        "JWT_SECRET": secrets.token_hex(32),
        "SENTRY_DSN": dsns["server"],
        "SENTRY_BROWSER_DSN": dsns["browser"],
        "STRIPE_API_BASE": payments_url,
        "STRIPE_TIMEOUT_S": "8",
    }
    served = [sys.executable, "-m", "uvicorn", "backend.app:app", "--port", str(port), "--workers", str(WORKERS)]
    # On a busy machine a worker may be silent for longer than uvicorn's five seconds, and would be killed for it.
    command = [*served, "--timeout-worker-healthcheck", "60"]
    log_path = folder / "backend.log"
    with log_path.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True, env=environment, cwd=ROOT)
    processes.append(process)
    url = f"http://127.0.0.1:{port}"
    _wait_for(f"{url}/health", process, log_path)
    return url


def _wait_for(url: str, process: subprocess.Popen[str], log: Path, timeout_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer. Its log, {log}, ends:\n{log.read_text()[-2000:]}")


def _sign_in_link(environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "ukemi.cli.main", "user", "create", "owner@localhost", "--role", "owner", "--json"]
    answer: dict[str, Any] = json.loads(subprocess.check_output(command, env=environment, text=True))
    return str(answer["sign_in"])


def _port(name: str, *, fixed: bool) -> int:
    """The known port if it is wanted and free, else any free one."""
    for port in [PORTS[name], 0] if fixed else [0]:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("No TCP port is free on this machine.")


def _serve(app: Any, port: int) -> uvicorn.Server:
    """Serve a stand-in from a thread of this process."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return server
