"""
A tunnel for browser SDKs: pages send their errors to the app itself, and the app hands them on to one fixed place.

Ad blockers stop requests to error trackers, and a page's rules about origins need not name another host. The target
is fixed, nothing of the envelope decides where it goes, redirects are not followed, and what comes in is bounded.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import urllib3
from sentry_sdk.utils import BadDsn, Dsn

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MAX_BYTES: Final = 1 << 20
FAILED_DEPENDENCY: Final = 424
_TIMEOUT_S: Final = 5.0
_THREADS: Final = 4
"""Of our own: while the server hangs, the threads of the app's handlers must not be what waits for it."""


def tunnel(dsn: str, *, max_bytes: int = MAX_BYTES) -> Callable[["Request"], Awaitable["Response"]]:
    """
    An endpoint to register for POST, and to name as `tunnel` in the browser SDK's options.

    Args:
        dsn: of a browser key; empty: the endpoint takes everything and sends nothing.

    Raises:
        BadDsn: of sentry-sdk; the DSN cannot be read.
    """
    target = Dsn(dsn) if dsn else None
    pool = urllib3.PoolManager(timeout=_TIMEOUT_S, retries=False, maxsize=_THREADS)
    threads = ThreadPoolExecutor(_THREADS, "ukemi-tunnel")

    async def forward(request: "Request") -> "Response":
        from starlette.requests import ClientDisconnect
        from starlette.responses import JSONResponse, Response

        if request.headers.get("content-encoding", "identity") != "identity":
            return JSONResponse({"detail": "An envelope comes as it is: browser SDKs do not compress it."}, 415)
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    return JSONResponse({"detail": f"An envelope may have {max_bytes} bytes."}, 413)
        except ClientDisconnect:  # a page that was left while it sent
            return Response(status_code=400)
        if target is None:
            return Response(status_code=200)
        if not _names(bytes(body), target):
            return JSONResponse({"detail": "The envelope's DSN is not the one of this tunnel."}, 403)
        headers = {
            "Content-Type": "application/x-sentry-envelope",
            "User-Agent": request.headers.get("user-agent", "")[:512],
            "X-Sentry-Auth": f"Sentry sentry_key={target.public_key}, sentry_version=7, sentry_client=ukemi.tunnel/1",
        }
        post = partial(_post, pool, target, bytes(body), headers)
        status = await asyncio.get_running_loop().run_in_executor(threads, post)
        return Response(status_code=status)

    return forward


def _names(body: bytes, target: Dsn) -> bool:
    """Whether the envelope's first line names the tunnel's own DSN, or none."""
    try:
        header = json.loads(body.split(b"\n", 1)[0])
        named = header.get("dsn") if isinstance(header, dict) else None
        if named is None:
            return isinstance(header, dict)
        given = Dsn(str(named))
    except (ValueError, BadDsn):
        return False
    return (given.public_key, given.project_id) == (target.public_key, target.project_id)


def _post(pool: urllib3.PoolManager, target: Dsn, body: bytes, headers: dict[str, Any]) -> int:
    """
    Status of the server's answer; 424 when there was none. 429 passes, so that the browser SDK holds back.

    Never 5xx: a tracker that is down is no failure of the app, and must not count as one.
    """
    url = f"{target.scheme}://{target.netloc}{target.path}api/{target.project_id}/envelope/"
    try:
        answer = pool.request("POST", url, body=body, headers=headers, redirect=False)
    except urllib3.exceptions.HTTPError:
        return FAILED_DEPENDENCY
    return answer.status if answer.status in (200, 400, 413, 429) else FAILED_DEPENDENCY
