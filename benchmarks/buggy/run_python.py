"""Runs the bugs of one folder of modules under the real sentry-sdk and prints each event as a line of JSON."""

import asyncio
import faulthandler
import importlib
import json
import random
import re
import sys
import threading
import traceback
import uuid
import warnings
from typing import ClassVar

import sentry_sdk
from sentry_sdk.integrations.fastapi import FastApiIntegration
from sentry_sdk.transport import Transport

WORDS = (
    "amber birch cedar delta ember flint grove hazel iris jade koral linden maple nettle onyx pearl quartz reed".split()
)


class Values:
    """What differs between two occurrences of one bug."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.word = chance.choice(WORDS) + chance.choice(WORDS)
        self.name = chance.choice(WORDS).title()
        self.id = chance.randrange(1, 900)
        self.amount = round(chance.uniform(1, 900), 2)
        self.email = f"{self.word}{self.id}@{chance.choice(WORDS)}.example"
        self.token = "".join(chance.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789", k=14)) + "7"
        self.uuid = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        self.path = f"/srv/{chance.choice(WORDS)}/{self.word}.csv"


class Recording(Transport):
    """Keeps what would have been sent."""

    events: ClassVar[list] = []

    def capture_envelope(self, envelope):
        self.events.extend(item.payload.json for item in envelope.items if item.type == "event")


def run(module: str, entry: str, how: str, seed: int) -> None:
    program, v = importlib.import_module(module), Values(seed)
    for name in dir(program):
        if re.match(r"bug_|serve_bug_|_one_bug_", name):
            # Their names are the labels: in a stack trace they would tell.
            function = getattr(program, name)
            function.__code__ = function.__code__.replace(co_name="case", co_qualname="case")
    bug = getattr(program, entry)
    if how == "thread":
        thread = threading.Thread(
            target=bug if not asyncio.iscoroutinefunction(bug) else lambda: asyncio.run(bug(v)),
            args=(v,) if not asyncio.iscoroutinefunction(bug) else (),
        )
        thread.start()
        thread.join()
    elif how == "route":
        visit(bug, v)
    else:
        try:
            asyncio.run(bug(v)) if asyncio.iscoroutinefunction(bug) else bug(v)
        except BaseException as error:
            sentry_sdk.capture_exception(error)


def visit(bug, v) -> None:
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    app = FastAPI()
    if asyncio.iscoroutinefunction(bug):

        @app.get("/")
        async def page():
            return await bug(v)
    else:

        @app.get("/")
        def page():
            return bug(v)

    TestClient(app, raise_server_exceptions=False).get("/")


def main() -> None:
    faulthandler.dump_traceback_later(40, exit=True)
    warnings.simplefilter("ignore")
    threading.excepthook = lambda _: None
    order = json.load(sys.stdin)
    sys.path.insert(0, order["folder"])
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=Recording,
        project_root=order["folder"],
        in_app_exclude=["__main__", "run_python"],
        integrations=[FastApiIntegration()],
        default_integrations=True,
    )
    for job in order["jobs"]:
        Recording.events.clear()
        try:
            run(job["module"], job["entry"], job["how"], job["seed"])
        except BaseException:  # a program of ours that does not run as it should
            traceback.print_exc()
        for event in Recording.events:
            print(json.dumps({"label": job["label"], "mutation": order["mutation"], "event": event}))


if __name__ == "__main__":
    main()
