"""`ukemi incident list|acknowledge|resolve|reopen`."""

import getpass
from collections.abc import Callable
from typing import Annotated

import typer

from ukemi.cli.context import AsJson, DataDir, load_settings, open_database, show
from ukemi.collector.core.clock import SystemClock
from ukemi.collector.store import incidents

app = typer.Typer(no_args_is_help=True, help="Incidents: the times that a rule came true.")
IncidentId = Annotated[str, typer.Argument(metavar="INCIDENT", help="Id of the incident; see `ukemi incident list`.")]
By = Annotated[
    str | None, typer.Option("--by", help="Who does it, for the time line. Default: your name on this machine.")
]


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that are closed; the latest 100.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the open incidents."""
    with open_database(load_settings(data_dir=data_dir)) as database, database.read() as tx:
        found = incidents.recent(tx, 100, state="" if every else "open")
    rows = [
        {
            "incident": one.id,
            "severity": one.severity,
            "rule": one.rule,
            "title": one.title,
            "state": "closed" if one.closed_us else "acknowledged" if one.acknowledged_us else "open",
            "not told": one.held,
        }
        for one in found
    ]
    show(rows, as_json=as_json, empty="No incident is open.")


@app.command()
def acknowledge(incident: IncidentId, by: By = None, data_dir: DataDir = None) -> None:
    """Say that somebody has taken it on: it is not told again, and PagerDuty stops escalating."""
    _change(incident, by, data_dir, incidents.acknowledge, "acknowledged")


@app.command()
def resolve(incident: IncidentId, by: By = None, data_dir: DataDir = None) -> None:
    """Say that it is over. Where its rule still holds, another incident opens at once."""
    _change(incident, by, data_dir, incidents.resolve, "resolved")


@app.command()
def reopen(incident: IncidentId, by: By = None, data_dir: DataDir = None) -> None:
    """Say that it is not over. It stays open until somebody resolves it, or its rule comes true again and ends."""
    _change(incident, by, data_dir, incidents.reopen, "open again")


def whoever() -> str:
    """Who runs this command, as the machine knows them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "command line"


def _change(incident_id: str, by: str | None, data_dir: DataDir, act: Callable[..., None], now: str) -> None:
    with open_database(load_settings(data_dir=data_dir)) as database, database.write() as tx:
        incident = incidents.find(tx, incident_id)
        act(tx, incident, SystemClock().now_us(), actor=by or whoever())
    typer.echo(f"{incident.title}: {now}. The channels that heard of it hear of this.")
