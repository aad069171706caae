"""Migrations: bring a database, empty or older, to the present schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from ukemi.collector.store.database import Database
from ukemi.collector.store.errors import TooNew

_FOLDER = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> None:
    """
    Bring `database` to the present schema; nothing happens when it is there already.

    Safe when several nodes start together: the first one migrates, the others wait and find it done.

    Raises:
        TooNew: a newer ukemi wrote it.
        Unreachable: it cannot be opened.
    """
    script = ScriptDirectory.from_config(_config())
    with database.read():  # tells why, if it cannot be opened
        pass
    with database.write_alone() as tx:
        version = MigrationContext.configure(tx).get_current_revision()
        if version == script.get_current_head():
            return
        if version is not None and version not in {revision.revision for revision in script.walk_revisions()}:
            raise TooNew(
                f"The database is of version {version}, which this ukemi does not know: a newer one wrote it. "
                "Install that version again, or restore a backup from before."
            )
        config = _config()
        config.attributes["connection"] = tx
        command.upgrade(config, "head")


def current(database: Database) -> str | None:
    """Version of the database's schema, None when it is empty."""
    with database.read() as tx:
        return MigrationContext.configure(tx).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return config
