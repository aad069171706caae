"""The backend's own database."""

import subprocess
import sys


def test_workers_that_start_at_once_create_the_tables_together(tmp_path, settings):
    """Two processes ask at the same time whether a table is there: one of them must not fail."""
    url = f"sqlite:///{tmp_path / 'new.db'}"
    code = "from backend.database import create_tables; input(); create_tables()"
    settings.setenv("DATABASE_URL", url)
    workers = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    assert [worker.communicate(timeout=30)[1] for worker in workers] == [""] * 4
