"""`ukemi send-test DSN`: one real error through sentry-sdk, and proof that it became an issue."""

import time
from typing import Annotated, Any

import httpx
import sentry_sdk
import typer
from sentry_sdk.transport import HttpTransport
from sentry_sdk.utils import BadDsn, Dsn

from ukemi.cli.context import fail


class UkemiTestError(Exception):
    """What `ukemi send-test` raises."""


class WatchedTransport(HttpTransport):
    """sentry-sdk's own transport; it also notes each answer's status, which the original keeps to itself."""

    statuses: list[int] = []  # noqa: RUF012 - one process sends one error

    def _request(self, *arguments: Any, **options: Any) -> Any:
        response = super()._request(*arguments, **options)
        self.statuses.append(response.status)
        return response


def send_test(
    dsn: Annotated[str, typer.Argument(help="DSN of the project, such as http://KEY@localhost:8790/1.")],
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="How long to wait for the issue.")
    ] = 20.0,
) -> None:
    """
    Send one real error through sentry-sdk and wait until it is an issue.

    Works with any server that speaks Sentry's protocol; only a ukemi collector can confirm the issue.
    """
    try:
        parsed = Dsn(dsn)
    except BadDsn as error:
        fail(f"This is not a DSN: {error}. It looks like http://KEY@host:8790/1; copy it from the page Projects.")
    sentry_sdk.init(
        dsn=dsn,
        environment="test",
        release="ukemi-send-test@1",
        default_integrations=False,
        transport=WatchedTransport,
    )
    try:
        raise UkemiTestError("A test error from `ukemi send-test`. All is well: this is how an error looks.")  # noqa: TRY301
    except UkemiTestError as error:
        event_id = sentry_sdk.capture_exception(error)
    sentry_sdk.flush(timeout=timeout_s)
    if event_id is None:
        fail("sentry-sdk did not send the error.")
    answers = WatchedTransport.statuses
    if not answers:
        fail(f"No answer from {parsed.netloc}. Is the collector running, and can this machine reach it?")
    if answers[-1] in (401, 403):
        fail(f"{parsed.netloc} refused the key (HTTP {answers[-1]}). Copy the DSN again from the page Projects.")
    if answers[-1] != httpx.codes.OK:
        fail(f"{parsed.netloc} did not accept the error (HTTP {answers[-1]}).")
    typer.echo(f"Accepted: event {event_id}.")
    typer.echo(_wait_for_issue(parsed, event_id, timeout_s))


def _wait_for_issue(dsn: Dsn, event_id: str, timeout_s: float) -> str:
    url = f"{dsn.scheme}://{dsn.netloc}{dsn.path}api/{dsn.project_id}/ukemi/events/{event_id}/"
    started_s = time.monotonic()
    while True:
        if time.monotonic() - started_s >= timeout_s:
            fail(
                f"It was accepted, but is no issue yet after {timeout_s:.0f} s. "
                "Is the digest process running? Look at the collector's log."
            )
        answer = httpx.get(url, headers={"X-Sentry-Auth": f"Sentry sentry_key={dsn.public_key}, sentry_version=7"})
        if answer.status_code == httpx.codes.OK:
            issue = answer.json()
            return f"It is issue {issue['issue']} after {time.monotonic() - started_s:.1f} s: {issue['url']}"
        if answer.status_code != httpx.codes.ACCEPTED:
            return "This server cannot tell whether it became an issue (it is no ukemi collector); look at its pages."
        time.sleep(0.1)
