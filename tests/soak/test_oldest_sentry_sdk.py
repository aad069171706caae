"""The oldest sentry-sdk that we promise to work with, installed from the index into an environment of its own."""

import json
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
OLDEST = "2.8.0"
APP = """
import asyncio
import json

import httpx
from fastapi import FastAPI
from sentry_sdk import VERSION
from sentry_sdk.transport import Transport

import ukemi.sdk

sent = []


class Remembering(Transport):
    def capture_envelope(self, envelope):
        sent.extend(envelope.items)


app = FastAPI()
status = ukemi.sdk.init(
    app,
    dsn="http://00000000000000000000000000000000@127.0.0.1:9/1",
    release="shop@1",
    traces_sample_rate=1.0,
    pii_key="k" * 32,
    transport=Remembering,
)


@app.get("/fail/{number}")
async def fail(number: int):
    password = "hunter2"
    ukemi.sdk.add_breadcrumb("auth", "sign-in", {"username": "mori.k"})
    with ukemi.sdk.start_span("work", "part"):
        raise ValueError(f"no rank for mori.k, card 4111 1111 1111 1111, {len(password)}")


async def main():
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        answer = await client.get("/fail/7", headers={"Authorization": "Bearer abcdef123456"})
        return answer.status_code, answer.json()


answer = asyncio.run(main())
ukemi.sdk.flush()
items = [(item.type, json.loads(item.get_bytes())) for item in sent]
print(json.dumps({"version": VERSION, "is_on": status.is_on, "answer": answer, "items": items}))
"""


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_the_oldest_sentry_sdk_captures_once_scrubbed_and_with_its_transaction(tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    packages = [f"sentry-sdk=={OLDEST}", "fastapi", "httpx", str(ROOT)]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    done = subprocess.run([python, "-c", APP], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["version"], told["is_on"], told["answer"][0]) == (OLDEST, True, 500)
    kinds = [kind for kind, _ in told["items"]]
    assert (kinds.count("event"), kinds.count("transaction")) == (1, 1)
    [event] = [payload for kind, payload in told["items"] if kind == "event"]
    assert event["event_id"] == told["answer"][1]["event_id"]
    text = json.dumps(told["items"])
    for secret in ("mori.k", "4111", "hunter2", "abcdef123456"):
        assert secret not in text.replace("test_oldest", "")
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert frames[-1]["vars"]["number"] == "7"
