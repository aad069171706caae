"""`ukemi silence create|list|end`."""

import re
import secrets
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from ukemi.cli.context import AsJson, DataDir, fail, load_settings, open_database, show
from ukemi.cli.incidents import whoever
from ukemi.collector.core.clock import SECOND_US, SystemClock
from ukemi.collector.core.silence import Silence, is_active, why_wrong
from ukemi.collector.store import silences

app = typer.Typer(
    no_args_is_help=True, help="Silences and maintenance windows: what nobody is to be told of for a while."
)
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


@app.command()
def create(
    match: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="What it is about: rule, project, environment, severity, issue, domain or a label. May be given several times; all must hold.",
        ),
    ] = None,
    length: Annotated[str, typer.Option("--for", metavar="LENGTH", help="How long: 90m, 2h, 3d or 1w.")] = "1h",
    start: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When it starts, as 2026-12-06T02:00 in the time zone. Default: now."),
    ] = None,
    zone: Annotated[str, typer.Option(help="Time zone of --start and of a weekly window, as Europe/Berlin.")] = "UTC",
    weekly: Annotated[bool, typer.Option("--weekly", help="Again every week, until it is ended.")] = False,
    maintenance: Annotated[
        bool,
        typer.Option("--maintenance", help="A planned maintenance window; without --match it is about everything."),
    ] = False,
    comment: Annotated[str | None, typer.Option(help="Why, for the others.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who wants it. Default: your name on this machine.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Silence something for a while. Incidents open all the same; those still open at its end are told then."""
    matchers: dict[str, str] = {}
    for pair in match or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            fail(f"--match {pair!r} must look like environment=staging.")
        matchers[name.strip()] = value.strip()
    now_us = SystemClock().now_us()
    starts_us = _instant(start, zone) if start else now_us
    silence = Silence(
        id=secrets.token_hex(6),
        kind="maintenance" if maintenance else "silence",
        matchers=matchers,
        starts_us=starts_us,
        ends_us=starts_us + _length_us(length),
        weekly=weekly,
        zone=zone,
        author=by or whoever(),
        comment=(comment or "")[:500],
        created_us=now_us,
    )
    if wrong := why_wrong(silence):
        fail(wrong)
    with open_database(load_settings(data_dir=data_dir)) as database, database.write() as tx:
        silences.add(tx, silence)
    show([_row(silence, now_us)], as_json=as_json, empty="")


@app.command("list")
def list_(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the silences and maintenance windows that run or are to come."""
    now_us = SystemClock().now_us()
    with open_database(load_settings(data_dir=data_dir)) as database, database.read() as tx:
        rows = [_row(one, now_us) for one in silences.current(tx, now_us)]
    show(rows, as_json=as_json, empty="Nothing is silenced.")


@app.command()
def end(
    silence: Annotated[str, typer.Argument(metavar="SILENCE", help="Id of the silence; see `ukemi silence list`.")],
    by: Annotated[str | None, typer.Option("--by", help="Who ends it. Default: your name on this machine.")] = None,
    data_dir: DataDir = None,
) -> None:
    """End a silence now. What it kept back and is still open is told within seconds."""
    with open_database(load_settings(data_dir=data_dir)) as database, database.write() as tx:
        silences.end(tx, silence, SystemClock().now_us(), actor=by or whoever())
    typer.echo("It is over.")


def _row(one: Silence, now_us: int) -> dict[str, str]:
    return {
        "silence": one.id,
        "kind": one.kind,
        "about": ", ".join(f"{name}={value}" for name, value in one.matchers.items()) or "everything",
        "starts": _text(one.starts_us),
        "ends": _text(one.ends_us) + (f", weekly, {one.zone}" if one.weekly else ""),
        "now": "active" if is_active(one, now_us) else "not active",
        "by": one.author,
        "comment": one.comment,
    }


def _text(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / SECOND_US, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _length_us(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", text)
    if found is None:
        fail(f"--for {text!r} must look like 90m, 2h, 3d or 1w.")
    return int(found[1]) * _UNITS[found[2]] * SECOND_US


def _instant(text: str, zone: str) -> int:
    try:
        return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND_US
    except (ValueError, OSError):
        fail(f"--start {text!r} must look like 2026-12-06T02:00, and --zone {zone!r} like Europe/Berlin.")
