"""What every subcommand needs: its settings, its database, and one way to print results and failures."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from ukemi.collector.settings import Settings
from ukemi.collector.store import migrate
from ukemi.collector.store.database import Database
from ukemi.collector.store.errors import StoreError

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="DIR", help="Folder of database and spool. Default: under your user's data folder."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of text.")]


def load_settings(**options: object) -> Settings:
    """
    Settings from environment and `ukemi.toml`, overridden by those `options` that were given (are not None).

    The options also go into the environment, since child processes read their settings from there.
    """
    for name, value in options.items():
        if value is not None:
            os.environ[f"UKEMI_{name.upper()}"] = str(value)
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"  UKEMI_{'.'.join(str(part) for part in e['loc']).upper()}: {e['msg']}" for e in error.errors()]
        fail("A setting is wrong:\n" + "\n".join(lines) + "\nSettings are read from UKEMI_* variables and ukemi.toml.")


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The migrated database of `settings`; its folder is made if it is missing."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = None
    try:
        database = Database(settings.database)
        migrate.upgrade(database)
        yield database
    except StoreError as error:
        fail(str(error))
    finally:
        if database is not None:
            database.close()


def fail(message: str) -> NoReturn:
    """Print what went wrong and end with status 1."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(message, style="red", markup=False)
    raise typer.Exit(code=1)


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str) -> None:
    """Print rows as a table, or as a JSON list. `empty` tells what to do when there are none."""
    if as_json:
        typer.echo(json.dumps(rows))
    elif not rows:
        typer.echo(empty)
    else:
        table = Table(box=None, pad_edge=False)
        for name in rows[0]:
            table.add_column(name, overflow="fold")  # an id that is cut cannot be copied
        for row in rows:
            table.add_row(*(str(value) for value in row.values()))
        Console(soft_wrap=True).print(table)
