"""
A small app for the tests to break: `uvicorn shop:app`, with SENTRY_DSN in the environment.

SHOP_TRACES: share of requests that are kept as transactions; default 0.1.
"""

import os

from fastapi import FastAPI
from fastapi.responses import JSONResponse

import ukemi.sdk

app = FastAPI()
ukemi.sdk.init(
    app,
    environment="production",
    release="shop@1.0.0",
    traces_sample_rate=float(os.environ.get("SHOP_TRACES", "0.1")),
)


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/ok")
def ok() -> dict[str, int]:
    return {"pid": os.getpid()}


@app.get("/fail")
def fail() -> None:
    pid = os.getpid()
    raise RuntimeError(f"out of order in {pid}")


@app.get("/fail/otherwise")
async def fail_otherwise() -> None:
    pid = os.getpid()
    raise LookupError(f"no belt in {pid}")


@app.get("/refuse")
def refuse() -> JSONResponse:
    """A failure without an error, that says who answered it."""
    return JSONResponse({"pid": os.getpid()}, 500)
