"""The command tree: `ukemi serve`, `ukemi project …`, `ukemi key …`, `ukemi user …`, `ukemi db …`, `ukemi send-test`, `ukemi leaks`."""

import typer

from ukemi.cli import db, incidents, keys, leaks, notify, projects, rules, send_test, serve, silences, users

app = typer.Typer(
    name="ukemi",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""
    Error tracking and alerting for FastAPI teams.

    Start with `ukemi serve`: it creates what it needs, prints a sign-in link and the DSNs of a first project.
    Settings come from `UKEMI_*` environment variables or `ukemi.toml`; options on the command line win.
    """,
)
app.command("serve")(serve.serve)
app.add_typer(projects.app, name="project")
app.add_typer(keys.app, name="key")
app.add_typer(users.app, name="user")
app.add_typer(rules.app, name="rules")
app.add_typer(db.app, name="db")
app.add_typer(incidents.app, name="incident")
app.add_typer(silences.app, name="silence")
app.add_typer(notify.app, name="notify")
app.command("send-test")(send_test.send_test)
app.command("leaks")(leaks.leaks)
