"""What an event says of its request."""

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from ukemi.sdk.request import request_of, route_of, url_of


def seen(app, serve, path: str) -> str | None:
    """The template that is found after the app has served `path`."""
    scopes = []

    async def outer(scope, receive, send):
        scopes.append(scope)
        await app(scope, receive, send)

    serve(outer).get(path)
    return route_of(scopes[0])


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/items/7", "/items/{number}"),
        ("/v1/items/7", "/v1/items/{number}"),
        ("/v1/deep/items/7", "/v1/deep/items/{number}"),
        ("/dojo/kyoto/items/7", "/dojo/{city}/items/{number}"),
        ("/mounted/items/7", "/mounted/items/{number}"),
        ("/of/kyoto/items/7", "/of/{city}/items/{number}"),
        ("/files/a/b/c", "/files/{path:path}"),
        ("/nowhere", None),
    ],
)
def test_a_route_is_named_by_its_whole_template(serve, path, template):
    def items():
        router = APIRouter()

        @router.get("/items/{number}")
        async def item(number: int): ...

        return router

    async def answer(request):
        return PlainTextResponse("ok")

    deep = APIRouter(prefix="/deep")
    deep.include_router(items())
    first = APIRouter(prefix="/v1")
    first.include_router(items())
    first.include_router(deep)
    app = FastAPI(openapi_url=None)
    app.include_router(items())
    app.include_router(first)
    app.include_router(items(), prefix="/dojo/{city}")
    app.mount("/mounted", Starlette(routes=[Route("/items/{number}", answer)]))
    app.router.routes.append(Mount("/of/{city}", routes=[Route("/items/{number}", answer)]))

    @app.get("/files/{path:path}")
    async def files(path: str): ...

    assert seen(app, serve, path) == template


def test_the_url_is_the_one_that_was_asked_for():
    scope = {"type": "http", "scheme": "https", "path": "/café/a b", "headers": [(b"host", b"shop.example.org")]}
    assert request_of(scope)["url"] == "https://shop.example.org/caf%C3%A9/a%20b"


@pytest.mark.parametrize(
    ("scope", "url"),
    [
        ({"server": ("10.0.0.1", 8000), "path": "/x"}, "http://10.0.0.1:8000/x"),
        ({"server": ("/run/shop.sock", None), "path": "/x"}, "http:///run/shop.sock/x"),
        ({}, "http://localhost"),
    ],
)
def test_without_a_host_header_the_server_is_named(scope, url):
    assert url_of(scope, "") == url


def test_headers_and_queries_of_any_bytes_are_read():
    scope = {"type": "http", "query_string": b"\xff=1", "headers": [(b"x-odd", b"\xfe\xff")], "path": "/"}
    described = request_of(scope)
    assert (described["query_string"], described["headers"]["x-odd"]) == ("ÿ=1", "þÿ")
