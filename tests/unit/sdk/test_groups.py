"""Frameworks wrap errors in groups on their way; the issue is about the error."""

import pytest
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_an_error_below_middleware_of_the_older_kind_looks_as_without_it(init, sent, serve, layers):
    """Each such layer has a task group, and more or fewer of them must not make another issue."""
    app = FastAPI()

    @app.get("/fail")
    async def fail():
        raise ValueError("broken")

    async def passing(request, call_next):
        return await call_next(request)

    for _ in range(layers):
        app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    init(app)
    serve(app).get("/fail")
    assert [value["type"] for value in sent.event()["exception"]["values"]] == ["ValueError"]
