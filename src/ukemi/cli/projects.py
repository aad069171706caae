"""`ukemi project create|list|set`."""

import json
from typing import Annotated

import msgspec
import typer

from ukemi.cli.context import AsJson, DataDir, fail, load_settings, open_database, show
from ukemi.collector.core.clock import SystemClock
from ukemi.collector.core.fingerprint import VERSIONS
from ukemi.collector.store import projects
from ukemi.protocol.dsn import write_dsn

app = typer.Typer(no_args_is_help=True, help="Projects: one for each app whose errors you track.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name, such as 'Shop backend'.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create a project with a server key and a browser key, and print their DSNs."""
    settings = load_settings(data_dir=data_dir)
    now_us = SystemClock().now_us()
    with open_database(settings) as database, database.write() as tx:
        project = projects.create(tx, name, now_us, settings.keep_errors_days, settings.keep_performance_days)
        dsns = {
            kind: write_dsn(
                settings.public_url, projects.create_key(tx, project.id, kind, now_us).public_key, project.id
            )
            for kind in ("server", "browser")
        }
    if as_json:
        typer.echo(json.dumps({"id": project.id, "name": project.name, "slug": project.slug, "dsn": dsns}))
        return
    typer.echo(f"Project {project.id}, {project.name}. Its issues are called {project.slug.upper()}-1, -2, …")
    typer.echo(f"  SENTRY_DSN for the backend:  {dsns['server']}")
    typer.echo(f"  DSN for pages in a browser:  {dsns['browser']}")


@app.command("list")
def list_(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all projects."""
    settings = load_settings(data_dir=data_dir)
    with open_database(settings) as database, database.read() as tx:
        rows = [
            {
                "id": p.id,
                "name": p.name,
                "slug": p.slug,
                "keep_errors_days": p.keep_errors_days,
                "keep_performance_days": p.keep_performance_days,
            }
            for p in projects.list_projects(tx)
        ]
    show(rows, as_json=as_json, empty="There is no project yet. Create one: ukemi project create 'My app'")


@app.command("set")
def set_(
    project: Annotated[int, typer.Argument(help="Number of the project; see `ukemi project list`.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="A new name. Names of issues stay.")] = None,
    keep_errors_days: Annotated[
        int | None, typer.Option(metavar="DAYS", min=1, help="Days to keep events and issues.")
    ] = None,
    keep_performance_days: Annotated[
        int | None, typer.Option(metavar="DAYS", min=1, help="Days to keep request counts and other performance data.")
    ] = None,
    resolve_after_hours: Annotated[
        int | None, typer.Option(metavar="HOURS", min=0, help="Resolve issues that were idle so long; 0: never.")
    ] = None,
    grouping_version: Annotated[
        int | None,
        typer.Option(
            metavar="VERSION", help="How events are grouped. Known issues are found by their old fingerprints."
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Change a project. What is then too old goes within minutes; what has gone does not come back."""
    if grouping_version is not None and grouping_version not in VERSIONS:
        fail(f"There is no grouping version {grouping_version}. There are: {', '.join(map(str, VERSIONS))}.")
    settings = load_settings(data_dir=data_dir)
    with open_database(settings) as database, database.write() as tx:
        changed = projects.change(
            tx,
            project,
            name=name,
            keep_errors_days=keep_errors_days,
            keep_performance_days=keep_performance_days,
            resolve_after_hours=resolve_after_hours,
            grouping_version=grouping_version,
        )
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(changed)))
        return
    typer.echo(
        f"Project {changed.id}, {changed.name}, keeps errors for {changed.keep_errors_days} days "
        f"and performance data for {changed.keep_performance_days}."
        + (
            f" Issues are resolved after {changed.resolve_after_hours} idle hours."
            if changed.resolve_after_hours
            else ""
        )
    )
