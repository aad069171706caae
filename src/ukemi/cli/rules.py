"""`ukemi rules check|list|apply|delete|backtest|explain`: alert rules as code."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from ukemi.cli.context import AsJson, DataDir, fail, load_settings, open_database, show
from ukemi.collector.alerts import rules_file
from ukemi.collector.alerts.rules_file import RulesError
from ukemi.collector.core.backtest import WouldBe, backtest
from ukemi.collector.core.clock import DAY_US, HOUR_US, MINUTE_US, SystemClock
from ukemi.collector.core.explain import Explained, explain
from ukemi.collector.core.judge import Watched
from ukemi.collector.core.rule import Rule
from ukemi.collector.core.rule_text import Document, watch, write_rule
from ukemi.collector.core.rule_words import sentence, steps_in_words
from ukemi.collector.settings import Settings
from ukemi.collector.store import incidents, projects, rule_states, rules
from ukemi.collector.store.database import Tx
from ukemi.collector.store.errors import NotFound
from ukemi.collector.store.history import StoredHistory
from ukemi.collector.web.show import instant

app = typer.Typer(no_args_is_help=True, help="Alert rules: check them, give them to a project, try them on the past.")
File = Annotated[Path | None, typer.Argument(help="Rules file. Default: the one that UKEMI_RULES_FILE names.")]
Project = Annotated[int, typer.Argument(help="Number of the project; see `ukemi project list`.")]
Since = Annotated[str, typer.Option(help="How far back: 30m, 24h or 7d.")]
ProjectOption = Annotated[int | None, typer.Option("--project", help="Only this project; see `ukemi project list`.")]
_UNITS_US = {"m": MINUTE_US, "h": HOUR_US, "d": DAY_US}


@app.command()
def check(file: File = None, as_json: AsJson = False) -> None:
    """Say whether a rules file is right, and what its rules mean."""
    found = _load(file or load_settings().rules_file)
    rows = [
        {"rule": r.name, "severity": r.severity, "enabled": r.enabled, "comes true when": sentence(r)} for r in found
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for rule in found:
        typer.echo(f"{rule.name} ({rule.severity}{'' if rule.enabled else ', off'}): {sentence(rule)}")
        for name, severity, text in steps_in_words(rule):
            typer.echo(f"  → {name} ({severity}): {text}")
    typer.echo(f"{len(found)} rules; the file is right.")


@app.command("list")
def list_(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the rules that are judged: those of the file, and those that projects have of their own."""
    settings = load_settings(data_dir=data_dir)
    with open_database(settings) as database, database.read() as tx:
        watched = _watched(tx, settings)
    rows = [
        {
            "rule": one.rule.name,
            "severity": one.rule.severity,
            "from": "file" if one.project_id is None else f"project {one.project_id}",
            "comes true when": sentence(one.rule),
        }
        for one in watched
    ]
    show(rows, as_json=as_json, empty="No rule is on. See: ukemi rules check")


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="Rules file.")],
    project: Project,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give a project the rules of FILE as its own: new ones are made, changed ones written anew, others left alone."""
    settings = load_settings(data_dir=data_dir)
    found = _load(file)
    now_us = SystemClock().now_us()
    with open_database(settings) as database, database.write() as tx:
        if project not in {one.id for one in projects.list_projects(tx)}:
            raise NotFound(f"There is no project {project}. See: ukemi project list")
        known = {one.name: one.text for one in rules.documents(tx, project)}
        rows = []
        for rule in found:
            text = write_rule(rule)
            done = "made" if rule.name not in known else "unchanged" if known[rule.name] == text else "changed"
            if done != "unchanged":
                rules.put(tx, Document(project, rule.name, text, now_us, "cli"))
            rows.append({"rule": rule.name, "done": done})
    show(rows, as_json=as_json, empty=f"{file} has no rules, so nothing was done.")


@app.command()
def delete(
    rule: Annotated[str, typer.Argument(help="Name of the rule.")],
    project: Project,
    data_dir: DataDir = None,
) -> None:
    """Delete a rule of a project's own. Where the file has one by this name, that is judged again."""
    settings = load_settings(data_dir=data_dir)
    with open_database(settings) as database, database.write() as tx:
        rules.delete(tx, project, rule)
    typer.echo("The rule is deleted. Running collectors notice within a second; its open incidents close.")


@app.command("backtest")
def backtest_(
    file: File = None,
    since: Since = "7d",
    rule: Annotated[str | None, typer.Option("--rule", help="Only this rule.")] = None,
    project: ProjectOption = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Replay what was kept of the past, and list the incidents that the rules would have opened."""
    settings = load_settings(data_dir=data_dir)
    until_us = SystemClock().now_us()
    since_us = until_us - _span_us(since)
    with open_database(settings) as database, database.read() as tx:
        watched = [Watched(one) for one in _load(file) if one.enabled] if file else _watched(tx, settings)
        if rule is not None:
            watched = _only(watched, rule)
        found = [
            one
            for one in backtest(watched, StoredHistory(tx, watched), since_us, until_us)
            if project is None or one.project_id == project
        ]
        lived = {
            (one.project_id, one.rule, one.labels): one.opened_us
            for one in incidents.opened_between(tx, since_us, until_us)
        }
    opened = {(one.project_id, one.rule, rule_states.write_labels(dict(one.labels)), one.opened_us) for one in found}
    real = {(*key, at_us) for key, at_us in lived.items()}
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(one) for one in found]))
        return
    show([_row(one) for one in found], as_json=False, empty=f"In {since} no rule would have opened an incident.")
    typer.echo(f"{len(found)} incidents; {len(opened & real)} of them live evaluation opened in the same instant.")


@app.command("explain")
def explain_(
    rule: Annotated[str, typer.Argument(help="Name of the rule.")],
    since: Since = "1h",
    project: ProjectOption = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say why a rule did or did not fire: how it stands for each set of labels, and its latest evaluations."""
    settings = load_settings(data_dir=data_dir)
    until_us = SystemClock().now_us()
    with open_database(settings) as database, database.read() as tx:
        watched = _only(_watched(tx, settings), rule)
        history = StoredHistory(tx, watched)
        found = explain(watched, history, until_us - _span_us(since), until_us)
    found = [one for one in found if project is None or one.project_id == project]
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(one) for one in found]))
        return
    for each in watched:
        typer.echo(f"{rule}: {sentence(each.rule)}")
    if not found:
        typer.echo(f"Nothing came in {since} that it could be judged on.")
    for one in found:
        _tell(one)


def _tell(one: Explained) -> None:
    labels = ", ".join(f"{name} {value or 'not given'}" for name, value in one.labels)
    typer.echo(f"\nproject {one.project_id}, {labels}: {one.status}")
    for evaluation in one.evaluations:
        mark = f"  [{evaluation.transition}]" if evaluation.transition else ""
        typer.echo(f"  {instant(evaluation.at_us)}  {evaluation.because}{mark}")


def _row(one: WouldBe) -> dict[str, Any]:
    return {
        "opened": instant(one.opened_us),
        "closed": instant(one.closed_us) if one.closed_us else "open",
        "rule": one.name,
        "severity": one.severity,
        "project": one.project_id,
        "labels": " ".join(f"{name}={value}" for name, value in one.labels),
        "because": one.because,
    }


def _load(file: Path | None) -> Sequence[Rule]:
    try:
        return rules_file.load(file).rules
    except RulesError as error:
        fail(str(error))


def _watched(tx: Tx, settings: Settings) -> list[Watched]:
    return watch(_load(settings.rules_file), rules.documents(tx))


def _only(watched: Sequence[Watched], name: str) -> list[Watched]:
    """The rule of this name, or that has a step of this name."""
    found = [one for one in watched if name in (one.rule.name, *(step.name for step in one.rule.steps))]
    if not found:
        names = ", ".join(sorted({one.rule.name for one in watched}))
        fail(f"No rule that is on is called {name!r}. There are: {names}.")
    return found


def _span_us(text: str) -> int:
    match = re.fullmatch(r"(\d{1,4})([mhd])", text)
    if match is None or not int(match[1]):
        fail(f"{text!r} is no length of time. Write 30m, 24h or 7d.")
    return int(match[1]) * _UNITS_US[match[2]]
