"""The README's first command does what it says."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_demo_sees_every_error_arrive_and_every_alert_delivered():
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--once"], check=False, cwd=ROOT, capture_output=True, text=True, timeout=110
    )

    assert done.returncode == 0, done.stdout + done.stderr
    sent, stored = (int(re.search(rf"{what}\s+(\d+)", done.stdout)[1]) for what in ("Errors sent", "Errors counted"))
    assert sent == stored >= 15
    for rule in ("new error type", "critical path", "API downtime"):
        assert re.search(rf"{rule}\s+.*slack.*\d\.\d\d s", done.stdout)
    assert "a real page in headless Chromium" in done.stdout
