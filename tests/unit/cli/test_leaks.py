"""`ukemi leaks` in a process of its own, for it refuses connections until its end."""

import json
import os
import subprocess
import sys

import pytest

APP = """
from fastapi import FastAPI
import ukemi.sdk
from ukemi.privacy import Rules

app = FastAPI()
"""
DSN = "http://0123456789abcdef0123456789abcdef@127.0.0.1:9/1"


@pytest.fixture
def leaks(tmp_path):
    def run(code, dsn=DSN):
        (tmp_path / "shop.py").write_text(APP + code)
        return subprocess.run(
            [sys.executable, "-m", "ukemi.cli.main", "leaks", "shop:app", "--json"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "SENTRY_DSN": dsn},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_an_app_as_the_documentation_sets_it_up_leaks_nothing(leaks):
    done = leaks("ukemi.sdk.init(app)")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["leaks"] == []


def test_a_safe_key_that_lets_a_secret_out_is_found(leaks):
    done = leaks("ukemi.sdk.init(app, rules=Rules(safe_keys=frozenset({'password'})))")

    assert done.returncode == 1, done.stderr
    assert {leak["kind"] for leak in json.loads(done.stdout)["leaks"]} == {"password"}


@pytest.mark.parametrize(("code", "dsn"), [("ukemi.sdk.init(app)", ""), ("", DSN)])
def test_an_app_that_tells_nothing_is_not_called_safe(leaks, code, dsn):
    assert leaks(code, dsn).returncode == 2
