"""Few messages for much trouble, by the real worker: a flood of new issues is one digest, an outage tells of itself alone."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

TOLD_ONE_BY_ONE = 5
NEW_ISSUES = 400
RAISE = f"""
import sentry_sdk
sentry_sdk.init(default_integrations=False, auto_session_tracking=False, transport_queue_size=1000)
for number in range({NEW_ISSUES}):
    try:
        raise type("Failure" + "".join(chr(97 + int(digit)) for digit in str(number)), (Exception,), {{}})("new")
    except Exception as error:
        sentry_sdk.capture_exception(error)
sentry_sdk.flush(60)
"""


@pytest.fixture
def shift(tmp_path):
    """A file whose seconds are added to the clock of the collector's processes."""
    path = tmp_path / "shift"
    path.write_text("0")
    return path


@pytest.fixture
def collector(start_collector, receiver, shift):
    return start_collector(
        slack_url=f"{receiver.url}/slack",
        webhook_url=f"{receiver.url}/webhook",
        webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        outgoing_allow='["127.0.0.0/8"]',
        clock_shift_file=str(shift),
    )


def texts(receiver) -> list[str]:
    return [body["text"] for body in receiver.json("/slack")]


def test_four_hundred_new_issues_are_five_messages_and_one_digest(collector, receiver, shift, eventually):
    subprocess.run([sys.executable, "-c", RAISE], check=True, env=os.environ | {"SENTRY_DSN": collector.dsn()})
    opened = "SELECT count(*) FROM incident WHERE rule = 'new error type' AND condition = 'event'"
    eventually(lambda: collector.rows(opened) == [(NEW_ISSUES,)], "each has an incident")
    eventually(lambda: len(texts(receiver)) == TOLD_ONE_BY_ONE, "the first ones are told")

    shift.write_text("61")  # the digest collects for a minute

    eventually(lambda: len(texts(receiver)) > TOLD_ONE_BY_ONE, "the digest is told")
    *_, digest = texts(receiver)
    assert f"{NEW_ISSUES - TOLD_ONE_BY_ONE} new issues" in digest
    held = "SELECT held, count(*) FROM incident WHERE condition = 'event' GROUP BY held"
    assert sorted(collector.rows(held)) == [("", TOLD_ONE_BY_ONE), ("digest", NEW_ISSUES - TOLD_ONE_BY_ONE)]
    assert len(texts(receiver)) == TOLD_ONE_BY_ONE + 1


def test_an_outage_tells_of_itself_and_of_the_new_issue_behind_it_and_holds_back_the_rate(
    collector, start_shop, receiver, eventually
):
    shop = start_shop(collector.dsn(), workers=2)
    with ThreadPoolExecutor(4) as several:
        assert set(several.map(shop.get, ["/fail"] * 100)) == {500}

    eventually(lambda: collector.rows("SELECT 1 FROM incident WHERE rule = 'API downtime'"), "the outage opens")
    cause = "SELECT i.title FROM incident JOIN issue i ON i.id = cause_issue_id WHERE rule = 'API downtime'"
    eventually(lambda: collector.rows(cause), "its cause is attached")
    assert collector.rows(cause)[0][0].startswith("RuntimeError: out of order")
    rate = "SELECT held, held_by FROM incident WHERE rule = 'high error rate'"
    eventually(lambda: collector.rows(rate), "the rate comes true as well")
    ((outage,),) = collector.rows("SELECT id FROM incident WHERE rule = 'API downtime'")
    assert collector.rows(rate) == [("inhibited", outage)]
    time.sleep(1)  # time has to pass, for nothing is to happen
    told = [body["data"]["rule"] for body in receiver.json("/webhook")]
    assert told == ["API downtime"]
