"""A small app for the tests to break: `uvicorn shop:app`, with SENTRY_DSN in the environment."""

import os

from fastapi import FastAPI

import ukemi.sdk

app = FastAPI()
ukemi.sdk.init(app, environment="production", release="shop@1.0.0")


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/ok")
def ok() -> dict[str, int]:
    return {"pid": os.getpid()}


@app.get("/fail")
def fail() -> None:
    raise RuntimeError(f"out of order in {os.getpid()}")
