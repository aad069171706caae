"""A small app under a real server. Run by the tests: `uvicorn shop:app`."""

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse

import ukemi.sdk


@asynccontextmanager
async def life(_app: FastAPI) -> AsyncIterator[None]:
    if os.environ.get("SHOP_FAILS") == "start":
        raise ConnectionError("no database")
    yield
    if os.environ.get("SHOP_FAILS") == "stop":
        raise ConnectionError("no database any more")


app = FastAPI(lifespan=life)
ukemi.sdk.init(app, environment="test", release="shop@1.0", traces_sample_rate=0.0, pii_key="a key")


@app.get("/ok")
def ok() -> dict[str, bool]:
    return {"ok": True}


@app.get("/async")
async def fail() -> None:
    raise ValueError("async")


@app.get("/sync")
def fail_in_a_thread() -> None:
    raise ValueError("sync")


@app.get("/background")
def background(tasks: BackgroundTasks) -> dict[str, bool]:
    tasks.add_task(fail_in_a_thread)
    return {"ok": True}


@app.get("/stream")
def stream() -> StreamingResponse:
    def rows() -> Iterator[str]:
        yield "first"
        raise ValueError("midway")

    return StreamingResponse(rows())


@app.get("/rows")
def rows() -> StreamingResponse:
    return StreamingResponse(str(number) for number in range(100))


@app.get("/pid")
async def pid() -> int:
    """Holds the whole process up, so that a request that comes meanwhile is another's."""
    time.sleep(0.2)  # noqa: ASYNC251 - on purpose
    return os.getpid()


inner = FastAPI()
app.mount("/inner", inner)


@inner.get("/items/{number}")
def item(number: int) -> int:
    return number


@inner.get("/fail")
def fail_inside() -> None:
    raise ValueError("inner")
