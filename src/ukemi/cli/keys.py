"""`ukemi key create|list|disable|rotate`."""

import json
from typing import Annotated, Literal

import typer

from ukemi.cli.context import AsJson, DataDir, load_settings, open_database, show
from ukemi.collector.core.clock import SystemClock
from ukemi.collector.store import projects
from ukemi.protocol.dsn import write_dsn
from ukemi.protocol.vocabulary import KeyKind

app = typer.Typer(
    no_args_is_help=True,
    help="Client keys: a *server* key stands in a backend's settings; a *browser* key is public and may do less.",
)
LimitedCategory = Literal["error", "security", "transaction", "span", "session", "feedback", "attachment"]
Project = Annotated[int, typer.Argument(help="Number of the project; see `ukemi project list`.")]
PublicKey = Annotated[str, typer.Argument(help="The key: the 32 characters before the @ of a DSN.")]


@app.command()
def create(
    project: Project,
    kind: Annotated[KeyKind, typer.Option(help="Who will use it.")] = "server",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create a further key for a project and print its DSN."""
    settings = load_settings(data_dir=data_dir)
    with open_database(settings) as database, database.write() as tx:
        key = projects.create_key(tx, project, kind, SystemClock().now_us())
    _show_key(write_dsn(settings.public_url, key.public_key, project), key, as_json=as_json)


@app.command("list")
def list_(project: Project, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List a project's keys with their DSNs."""
    settings = load_settings(data_dir=data_dir)
    with open_database(settings) as database, database.read() as tx:
        rows = [
            {
                "kind": key.kind,
                "is_enabled": key.is_enabled,
                "limits": ", ".join(f"{category} {count}/min" for category, count in sorted(key.limits.items())),
                "dsn": write_dsn(settings.public_url, key.public_key, project),
            }
            for key in projects.keys(tx, project)
        ]
    show(rows, as_json=as_json, empty=f"Project {project} has no key. Create one: ukemi key create {project}")


@app.command()
def disable(project: Project, public_key: PublicKey, data_dir: DataDir = None) -> None:
    """Refuse a key from now on. Apps that still use it get 403."""
    settings = load_settings(data_dir=data_dir)
    with open_database(settings) as database, database.write() as tx:
        projects.disable_key(tx, project, public_key)
    typer.echo("The key is disabled. Running collectors notice within seconds.")


@app.command()
def rotate(project: Project, public_key: PublicKey, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Create a key of the same kind and print its DSN. The old key works until you disable it."""
    settings = load_settings(data_dir=data_dir)
    with open_database(settings) as database, database.write() as tx:
        key = projects.rotate_key(tx, project, public_key, SystemClock().now_us())
    _show_key(write_dsn(settings.public_url, key.public_key, project), key, as_json=as_json)
    if not as_json:
        typer.echo(f"When every app uses it: ukemi key disable {project} {public_key}")


@app.command()
def limit(
    project: Project,
    public_key: PublicKey,
    category: Annotated[LimitedCategory, typer.Argument(help="What is limited.")],
    per_minute: Annotated[
        int | None, typer.Argument(min=0, help="Items accepted per minute; leave it out to lift the limit.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Limit what one key may send of a category per minute; more is refused with 429 and counted."""
    settings = load_settings(data_dir=data_dir)
    with open_database(settings) as database, database.write() as tx:
        key = projects.limit_key(tx, project, public_key, category, per_minute)
    if as_json:
        typer.echo(json.dumps({"public_key": key.public_key, "limits": key.limits}))
    elif per_minute is None:
        typer.echo(
            f"The key has no limit of its own for {category} any more. Running collectors notice within seconds."
        )
    else:
        typer.echo(f"The key may send {per_minute} {category} per minute. Running collectors notice within seconds.")


def _show_key(dsn: str, key: projects.ClientKey, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"public_key": key.public_key, "kind": key.kind, "dsn": dsn}))
    else:
        typer.echo(dsn)
