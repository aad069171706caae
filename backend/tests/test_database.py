"""The backend's own database."""

import os
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from backend.database import engine, upgrade
from backend.models import Base


@pytest.mark.both_databases
def test_the_migrations_add_up_to_the_models(settings):
    upgrade()
    with engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.both_databases
def test_workers_that_start_at_once_migrate_once(settings):
    """Four processes ask at the same time whether anything is to do: none of them must fail."""
    code = "import sys; from backend.database import upgrade; print(flush=True); sys.stdin.read(1); upgrade()"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(4)
    ]
    for worker in workers:
        worker.stdout.readline()
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    assert [worker.communicate(timeout=60)[1] for worker in workers] == [""] * 4
