"""What `ukemi serve` says when something is set wrong: at its start, where somebody is looking."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"UKEMI_WEBHOOK_URL": "https://example.org", "UKEMI_WEBHOOK_SECRET": "not base64!"}, "no base64"),
        ({"UKEMI_RULES_FILE": "/nowhere/rules.toml"}, "/nowhere/rules.toml cannot be read"),
        ({"UKEMI_PORT": "many"}, "UKEMI_PORT"),
        ({"UKEMI_DATABASE_URL": "sqlite:////nowhere/ukemi.db"}, "database"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_starts(tmp_path, settings, said):
    done = subprocess.run(
        [sys.executable, "-m", "ukemi.cli.main", "serve", "--data-dir", str(tmp_path / "data")]
        + ([] if "UKEMI_PORT" in settings else ["--port", "0"]),
        env={name: value for name, value in os.environ.items() if not name.startswith("UKEMI_")} | settings,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
