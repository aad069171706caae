"""`ukemi notify test`."""

import json
import os
import secrets
from typing import Annotated

import typer

from ukemi.cli.context import AsJson, fail, load_settings
from ukemi.collector.alerts import rules_file
from ukemi.collector.core.clock import SystemClock
from ukemi.collector.core.notification import Reason
from ukemi.collector.notify.channels.base import Telling
from ukemi.collector.notify.errors import Undeliverable
from ukemi.collector.notify.http import OutgoingClient
from ukemi.collector.notify.worker import test_content
from ukemi.collector.worker_process import open_channels

app = typer.Typer(no_args_is_help=True, help="Channels: the places that are told.")


@app.callback()
def _group() -> None:
    """Makes `test` a command of its own, though it is the only one."""


@app.command("test")
def try_out(
    channel: Annotated[
        str, typer.Argument(metavar="CHANNEL", help="Name of the channel in the rules file, such as slack.")
    ],
    as_json: AsJson = False,
) -> None:
    """
    Send one real notification through a channel, now, and print what came back.

    PagerDuty is triggered and resolved again. The collector need not run; its variables must be set here, too.
    """
    settings = load_settings()
    client = OutgoingClient(settings.outgoing_allow)
    try:
        rules = rules_file.load(settings.rules_file)
        if channel not in rules.channels:
            fail(f"There is no channel {channel!r} in the rules. There are: {', '.join(rules.channels)}.")
        channels = open_channels(rules, os.environ, client)
    except ValueError as error:
        fail(str(error))
    if channel not in channels:
        wanted = [
            getattr(rules.channels[channel], name)
            for name in rules.channels[channel].__struct_fields__
            if name.endswith("_env")
        ]
        fail(f"The channel {channel!r} is not configured: set {', '.join(name for name in wanted if name)}.")
    now_us = SystemClock().now_us()
    try:
        answer = channels[channel].send(Telling(secrets.token_hex(16), test_content(Reason.TEST, 0, now_us)), now_us)
    except Undeliverable as error:
        fail(f"{channel}: {error}")
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps({"channel": channel, "answer": answer}))
    else:
        typer.echo(f"{channel}: delivered. It answered: {answer}")
