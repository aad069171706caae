"""`ukemi db upgrade|backup|restore|check`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ukemi.cli.context import AsJson, DataDir, fail, load_settings, open_database
from ukemi.collector.core.clock import SystemClock
from ukemi.collector.lock import Busy, hold
from ukemi.collector.settings import Settings
from ukemi.collector.spool.file import last_position
from ukemi.collector.store import backup as backups
from ukemi.collector.store import check as checks
from ukemi.collector.store import migrate
from ukemi.collector.store.database import Database
from ukemi.collector.store.errors import StoreError

app = typer.Typer(no_args_is_help=True, help="The database: upgrade, back up, restore, check.")


@app.command()
def upgrade(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Bring the database to the schema of this version. `ukemi serve` does the same when it starts."""
    with open_database(load_settings(data_dir=data_dir)) as database:
        version = migrate.current(database)
    typer.echo(
        json.dumps({"version": version}) if as_json else f"The database is at version {version}, the present one."
    )


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it, such as ukemi-2026-01-31.db.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """
    Write a backup into one file, also while the collector runs.

    What waits in the spool is not in it, nor is `pii.key`: keep that file too, somewhere else.
    """
    settings = load_settings(data_dir=data_dir)
    with open_database(settings) as database:
        found = backups.backup(database, file.absolute())
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(found)))
        return
    typer.echo(f"{file}: {_say(found)}.")
    typer.echo(f"Keep {settings.data_dir / 'pii.key'} too, apart from the backup: without it users are counted anew.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `ukemi db backup` wrote.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace a database that is not empty, without asking.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """
    Replace the database by a backup, migrated to this version. The collector must be stopped.

    A backup of SQLite can be restored into PostgreSQL and the other way round.
    """
    settings = load_settings(data_dir=data_dir)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with hold(settings.data_dir / "ukemi.lock"):
            found = _restore(settings, file.absolute(), force)
    except Busy:
        fail("The collector is running on this data folder. Stop it first, then restore.")
    except StoreError as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(found)))
        return
    typer.echo(f"Restored {_say(found)}.")
    if not (settings.data_dir / "pii.key").exists():
        typer.echo(
            f"There is no {settings.data_dir / 'pii.key'}. Put yours back before the start, or users count anew."
        )


@app.command()
def check(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """
    Check that the database is whole and that its counters agree with its rows, also while the collector runs.

    Ends with 1 if anything is wrong.
    """
    settings = load_settings(data_dir=data_dir)
    with open_database(settings) as database:
        # The spool first: digest may go on meanwhile, and must not look as if it had read what was never written.
        findings = checks.check(database, _spool_end(settings), SystemClock().now_us())
        with database.read() as tx:
            found = backups.contents(tx)
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(findings)))
    else:
        for finding in findings:
            typer.echo(f"{finding.check}: {finding.message}")
        typer.echo(f"{'Not well' if findings else 'All well'}: {_say(found)}, {len(findings)} findings.")
    if findings:
        raise typer.Exit(code=1)


def _restore(settings: Settings, file: Path, force: bool) -> backups.Contents:
    database = Database(settings.database)
    try:
        if not force and not backups.is_empty(database) and sys.stdin.isatty():
            with database.read() as tx:
                there = backups.contents(tx)
            shown = database.url.render_as_string(hide_password=True)
            force = typer.confirm(f"{shown} holds {_say(there)}. Replace all of it by {file}?", abort=True)
        return backups.restore(database, file, overwrite=force)
    finally:
        database.close()


def _spool_end(settings: Settings) -> checks.SpoolEnd | None:
    end = last_position(settings.spool_path)
    return checks.SpoolEnd(*end) if end else None


def _say(found: backups.Contents) -> str:
    return f"{found.projects} projects, {found.issues} issues, {found.events} events"
