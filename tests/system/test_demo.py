"""The README's first command does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ROWS = {
    "high error rate": "email, slack, webhook",
    "urgent error rate": "pagerduty, slack, webhook",
    "critical path": "pagerduty, slack, webhook",
    "subscription errors": "email, slack, webhook",
    "API downtime": "pagerduty, slack, webhook",
    "new error type": "slack",
    "expected failures": "slack",
    "slow": "slack",
    "very slow": "email, slack, webhook",
}
"""The table of alerts, and whom each is told to; written down here once more, so that the demo cannot lose one in silence."""


@pytest.mark.timeout(420)
def test_the_demo_sees_every_error_arrive_and_every_alert_delivered_and_resolved():
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--once"], check=False, cwd=ROOT, capture_output=True, text=True, timeout=400
    )

    assert done.returncode == 0, done.stdout + done.stderr
    sent, counted = (int(re.search(rf"{what}\s+(\d+)", done.stdout)[1]) for what in ("Errors sent", "Errors counted"))
    assert sent == counted >= 60
    for row, channels in ROWS.items():
        assert re.search(rf"^  {row}\s+{channels}\s+\d+\.\d\d s   resolved$", done.stdout, re.MULTILINE), row
    told, arrived = (
        int(re.search(rf"{what}\s+(\d+)", done.stdout)[1]) for what in ("Notifications sent", "Messages in the inbox")
    )
    assert told == arrived >= 2 * len(ROWS)
    assert "a real page in headless Chromium" in done.stdout
    assert "window of the shipped rules was divided by 30" in done.stdout
