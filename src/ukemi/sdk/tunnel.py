"""
A tunnel for browser SDKs: pages send their errors to the app itself, and the app hands them on to fixed places.

Ad blockers stop requests to error trackers, and a page's rules about origins need not name another host. The target
is fixed, an envelope only chooses among the DSNs that are allowed, redirects are not followed, and what comes in is bounded.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
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


def tunnel(dsn: str | Sequence[str], *, max_bytes: int = MAX_BYTES) -> Callable[["Request"], Awaitable["Response"]]:
    """
    An endpoint to register for POST, and to name as `tunnel` in the browser SDK's options.

    Args:
        dsn: of a browser key, or those of all projects whose pages may send here; empty: the endpoint takes everything
            and sends nothing.

    Raises:
        BadDsn: of sentry-sdk; the DSN cannot be read.
    """
    targets = [Dsn(one) for one in ([dsn] if isinstance(dsn, str) else dsn) if one]
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
        if not targets:
            return Response(status_code=200)
        target = _target(bytes(body), targets)
        if target is None:
            return JSONResponse({"detail": "The envelope names no DSN that this tunnel may send to."}, 403)
        headers = {
            "Content-Type": "application/x-sentry-envelope",
            "User-Agent": request.headers.get("user-agent", "")[:512],
            "X-Sentry-Auth": f"Sentry sentry_key={target.public_key}, sentry_version=7, sentry_client=ukemi.tunnel/1",
        }
        post = partial(_post, pool, target, bytes(body), headers)
        status = await asyncio.get_running_loop().run_in_executor(threads, post)
        return Response(status_code=status)

    return forward


def _target(body: bytes, targets: Sequence[Dsn]) -> Dsn | None:
    """Which of the targets the envelope's first line names; the only one when it names none. None: it is not allowed."""
    try:
        header = json.loads(body.split(b"\n", 1)[0])
        if not isinstance(header, dict):
            return None
        if header.get("dsn") is None:
            return targets[0] if len(targets) == 1 else None
        given = Dsn(str(header["dsn"]))
    except (ValueError, BadDsn):
        return None
    wanted = (given.public_key, given.project_id)
    return next((one for one in targets if (one.public_key, one.project_id) == wanted), None)


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
