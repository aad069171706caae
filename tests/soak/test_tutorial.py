"""The tutorial in a fresh environment, with everything downloaded: ukemi itself as the wheel that a package index would serve."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import tutorial

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]  # it downloads
ROOT = Path(__file__).parents[2]


def test_a_reader_with_nothing_installed_gets_to_a_delivered_alert(tmp_path, monkeypatch):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "index", ROOT]
    subprocess.run(build, check=True, capture_output=True)

    def offer_wheel(venv):
        (venv / "pip.conf").write_text(f"[global]\nfind-links = {tmp_path / 'index'}\n", "utf-8")

    messages = tutorial.follow(tmp_path, offer_wheel)
    assert any("critical path" in message for message in messages)
