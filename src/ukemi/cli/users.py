"""`ukemi user create`."""

import json
from typing import Annotated, Literal

import typer

from ukemi.cli.context import AsJson, DataDir, load_settings, open_database
from ukemi.collector.core.clock import SystemClock
from ukemi.collector.store import accounts

app = typer.Typer(no_args_is_help=True, help="People who may sign in.")


@app.command()
def create(
    email: Annotated[str, typer.Argument(help="E-mail address to sign in with.")],
    role: Annotated[Literal["owner", "member"], typer.Option(help="Only owners create projects.")] = "member",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create an account, or find it, and print a sign-in link that works once: also for a forgotten password."""
    settings = load_settings(data_dir=data_dir)
    now_us = SystemClock().now_us()
    with open_database(settings) as database, database.write() as tx:
        account_id = accounts.ensure_account(tx, email, role, now_us)
        link = f"{settings.public_url}/sign-in/{accounts.new_sign_in_link(tx, account_id, now_us)}"
    typer.echo(json.dumps({"email": email, "sign_in": link}) if as_json else f"Sign in (this link works once): {link}")
