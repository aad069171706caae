"""`ukemi serve`: prepare what is missing, print where to go, run until told to stop."""

import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import structlog
import typer

from ukemi.cli.context import DataDir, fail, load_settings, open_database
from ukemi.collector import logs
from ukemi.collector.alerts import rules_file
from ukemi.collector.core.clock import SystemClock
from ukemi.collector.notify.http import OutgoingClient
from ukemi.collector.settings import Settings
from ukemi.collector.store import accounts, projects
from ukemi.collector.store.database import Database
from ukemi.collector.supervisor import Handover, Role, become, listen
from ukemi.collector.worker_process import open_channels
from ukemi.protocol.dsn import write_dsn

log = structlog.get_logger("ukemi.serve")

OWNER = "owner@localhost"


def serve(
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(metavar="H", help="Address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(metavar="P", help="Port to listen on; 0 picks a free one. Default: 8790.")
    ] = None,
    only: Annotated[
        list[Role] | None, typer.Option(help="Run only this stage; may be given several times. Default: all stages.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only try: read settings and rules, migrate the database, and end.")
    ] = False,
) -> None:
    """
    Run the collector: accept events, group them, judge alerts, notify, show pages.

    The first start creates the database, an owner (a one-time sign-in link is printed) and a first project (its DSNs
    are printed). Stop with Ctrl-C. Without refusing a connection, `kill -HUP` restarts the processes, and `kill -USR2`
    goes over to the version of ukemi that is installed now.
    """
    handover = Handover.take(os.environ)
    settings = load_settings(data_dir=data_dir, host=host, port=port)
    logs.configure(settings.log_level)
    for process in ("http_process", "worker_process"):  # code that does not load fails here, where somebody is looking
        import_module(f"ukemi.collector.{process}")
    roles = list(only or Role)
    if check:
        with open_database(settings):
            pass
        _check_rules_and_channels(settings)
        return
    listener = handover.listener() if handover else None
    if listener is None and (Role.INGEST in roles or Role.WEB in roles):
        try:
            listener = listen(settings.host, settings.port)
        except OSError as error:
            fail(
                f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
                "Perhaps ukemi is running already; choose another port with --port."
            )
    if listener is not None:
        # The real port, for DSNs and links, when 0 was asked for.
        settings = load_settings(port=listener.getsockname()[1])
    with open_database(settings) as database:
        greeting = _prepare(database, settings)
    rules = _check_rules_and_channels(settings)
    log.info(
        "collector starts",
        version=version("ukemi"),
        pid=os.getpid(),
        roles=[role.value for role in roles],
        url=settings.public_url if listener else None,
        data_dir=str(settings.data_dir),
        database=database.url.render_as_string(hide_password=True),
        is_upgrade=handover is not None,
    )
    command = [sys.executable, "-m", "ukemi.cli.main", *sys.argv[1:]]
    if handover is None:
        _greet(greeting, settings, rules, is_listening=listener is not None)
    become(roles, listener, os.environ, command, settings.log_level, handover)


def _greet(greeting: str, settings: Settings, rules: rules_file.RuleSet, *, is_listening: bool) -> None:
    typer.echo(greeting)
    if rules.is_nobody_told(os.environ):
        typer.secho(
            "Nobody is being told: no notification channel is configured, so alerts only show on the pages.\n"
            "Set UKEMI_SLACK_URL, UKEMI_PAGERDUTY_ROUTING_KEY, UKEMI_SMTP_URL or UKEMI_WEBHOOK_URL and start again.",
            fg=typer.colors.YELLOW,
        )
    elif untold := rules.untold(os.environ):
        typer.secho(
            f"Nobody is told of incidents of severity {' and '.join(untold)}: none of the channels that the rules name for "
            f"{'it' if len(untold) == 1 else 'them'} is configured.\n"
            "Configure one, or name another in [severities] of the rules file, and start again.",
            fg=typer.colors.YELLOW,
        )
    if is_listening:
        typer.echo(f"ukemi is listening on {settings.public_url}")


def _prepare(database: Database, settings: Settings) -> str:
    """Create what a first start needs and say what a person needs to know."""
    now_us = SystemClock().now_us()
    lines = []
    with database.write_alone() as tx:
        if not accounts.exist(tx):
            owner = accounts.ensure_account(tx, OWNER, "owner", now_us)
            token = accounts.new_sign_in_link(tx, owner, now_us)
            lines.append(f"Sign in (this link works once): {settings.public_url}/sign-in/{token}")
        if not projects.list_projects(tx):
            project = projects.create(
                tx, settings.first_project, now_us, settings.keep_errors_days, settings.keep_performance_days
            )
            for kind in ("server", "browser"):
                key = projects.create_key(tx, project.id, kind, now_us)
                dsn = write_dsn(settings.public_url, key.public_key, project.id)
                lines.append(f"DSN of the first project, {kind} key: {dsn}")
    return "\n".join(lines) or f"Data: {settings.data_dir}"


def _check_rules_and_channels(settings: Settings) -> rules_file.RuleSet:
    """What the processes will read, tried out here, where somebody is looking."""
    try:
        rules = rules_file.load(settings.rules_file)
        open_channels(rules, os.environ, OutgoingClient(settings.outgoing_allow))
    except ValueError as error:
        fail(str(error))
    return rules
