"""`python -m demo [--once]`: the whole of ukemi at work on live traffic."""

import argparse
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from demo import page_error
from demo.alerts import ROW, ROWS, Delivery, Received, complaints, ended_s, is_heard, telling, unfinished
from demo.stack import FASTER, Stack, running
from demo.traffic import OUTAGE_LENGTH, Traffic

FOLDER = Path(__file__).parent.parent / ".demo"
WAIT_S = 90.0
"""So long anything is waited for before the report says that it is missing."""
LOOK_S = 0.2
WORD_EVERY_S = 10.0
OUTAGE_EVERY = 40
"""Rounds of ordinary traffic between two outages of the staying demo."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make demo", description="The whole of ukemi at work on live traffic.")
    parser.add_argument("--once", action="store_true", help="check that every alert arrives, report, and exit")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is stopped
    began_s = time.monotonic()
    _say("Starting collector, backend, payment stand-in and inbox ...")
    with running(FOLDER, fixed_ports=not once) as stack:
        _say_where(stack)
        traffic = Traffic(stack.backend, stack.payments)
        try:
            is_good = scenario(stack, traffic)
            if once:
                _say(
                    f"{'All is well' if is_good else 'Something is missing'} after {time.monotonic() - began_s:.0f} s."
                )
                sys.exit(0 if is_good else 1)
            stay(traffic)
        except KeyboardInterrupt:
            _say("Stopping.")
        finally:
            traffic.close()


def scenario(stack: Stack, traffic: Traffic) -> bool:
    """Everything once: what makes each rule come true, and its end. Returns whether all of it arrived."""
    _say("Members register, sign in and pay; one mistypes a password, one card is declined ...")
    aiko, bruno, chidi = members = [traffic.join(name) for name in ("aiko", "bruno", "chidi")]
    for member in members:
        traffic.browse(member)
        assert traffic.pay(member) == httpx.codes.CREATED
    traffic.mistype_password("aiko")
    traffic.pay_with_declined_card(bruno)
    _say("Somebody subscribes with a card of a bank that is out of order ...")
    traffic.fail_subscription(chidi)
    _say("The page fails in a browser ...")
    how = page_error.cause(stack.backend)
    traffic.caused.error("new error type")
    _say(f"  by {how}")
    _wait(stack, ["new error type", "subscription errors"])
    fail_and_dawdle(stack, traffic, aiko)
    _say("Quiet traffic again, until the rates have come down ...")
    rates = [ROW[name] for name in ("high error rate", "slow", "expected failures")]
    _until(
        "the rates to come down",
        lambda: all(ended_s(_received(stack), row) for row in rates),
        _browsing(traffic, bruno),
    )
    _say(f"The payment service goes down: {OUTAGE_LENGTH} requests in a row fail ...")
    traffic.break_payments(aiko)
    _wait(stack, ["API downtime"])
    _say("It is mended, and somebody resolves the issues ...")
    traffic.mend_payments(aiko)
    _until("the end of the outage", lambda: ended_s(_received(stack), ROW["API downtime"]))
    for issue in _issues(stack):
        if issue["status"] == "open":
            path = f"/projects/{issue['project_id']}/issues/{issue['id']}/status"
            stack.web.post(path, data={"status": "resolved"}).raise_for_status()
    _until("all incidents to close", lambda: not _open_incidents(stack))
    _until("all ends to be told", lambda: not unfinished(_received(stack)))
    return report(stack, traffic)


def fail_and_dawdle(stack: Stack, traffic: Traffic, member: dict[str, str]) -> None:
    """First a little of the traffic fails and is slow, then much of it is, and somebody guesses passwords."""
    caused = traffic.caused
    _say("Of a hundred requests eight fail, and some payments take 1.4 seconds ...")
    traffic.delay_payments(1.4)
    with traffic.late_payments(member):
        caused.begin("high error rate", "slow")
        _wait(stack, ["critical path", "high error rate", "slow"], traffic.mix(member, failing=0.085))
        _say("Every third request fails, payments take 3.6 seconds, and somebody tries one password after another ...")
        traffic.delay_payments(3.6)
        caused.begin("urgent error rate", "very slow")
        with traffic.guessed_passwords("aiko"):
            _wait(stack, ["urgent error rate", "very slow", "expected failures"], traffic.mix(member, failing=0.33))
        traffic.delay_payments(0)


def report(stack: Stack, traffic: Traffic) -> bool:
    """Print what was sent, found and told. Returns whether nothing is missing."""
    caused = traffic.caused
    _until("all errors", lambda: sum(issue["event_count"] for issue in _issues(stack)) >= caused.errors)
    issues, received, ledger = _issues(stack), _received(stack), _ledger(stack)
    counted = sum(int(issue["event_count"]) for issue in issues)
    print()
    print(f"Requests served       {traffic.requests}")
    print(f"Errors sent           {caused.errors}")
    print(f"Errors counted        {counted}")
    print(f"Issues found          {len(issues)}")
    for issue in issues:
        print(f"  {issue['name']:<9} {issue['level']:<8} {issue['event_count']:>4} × {issue['title'][:80]}")
    print()
    print(f"  {'alert':<20} {'told to':<26} {'after':>8}   {'its end':<8}")
    for row in ROWS:
        told = telling(received, row)
        after = f"{min(one['at_s'] for one in told.values()) - caused.at_s[row.name]:6.2f} s" if told else "-"
        end = "resolved" if ended_s(received, row) else "-"
        print(f"  {row.name:<20} {', '.join(sorted(told)) or 'MISSING':<26} {after:>8}   {end}")
    print()
    print("  `after`: from the first request of the cause to the first channel's request.")
    print(
        f"  Every window of the shipped rules was divided by {FASTER}, but to no less than 10 seconds: so five minutes of"
    )
    print("  requests were ten seconds. Thresholds, sample sizes and numbers in a row are the shipped ones.")
    print()
    print(f"Notifications sent    {len(ledger)}")
    print(f"Messages in the inbox {len(received)}")
    wrong = complaints(received, ledger)
    if counted != caused.errors:
        wrong.append(f"{caused.errors} errors were sent and {counted} counted.")
    for complaint in wrong:
        print(f"  {complaint}")
    print()
    return not wrong


def stay(traffic: Traffic) -> None:
    """Ordinary traffic with an outage now and then, until Ctrl-C."""
    _say("Live traffic goes on, with an outage every few minutes. Stop with Ctrl-C.")
    members = [traffic.join(name) for name in ("dana", "emil", "fumi")]
    for number in range(1, sys.maxsize):
        member = random.choice(members)
        traffic.browse(member)
        if random.random() < 0.3:
            traffic.pay(member)
        if random.random() < 0.1:
            traffic.mistype_password("dana")
        if number % OUTAGE_EVERY == 0:
            _say("The payment service goes down ...")
            traffic.break_payments(member)
            time.sleep(5)
            traffic.mend_payments(member)
            _say("... and is back.")
        time.sleep(random.uniform(0.5, 3))


def _say(text: str) -> None:
    print(text, flush=True)


def _say_where(stack: Stack) -> None:
    print()
    print(f"  Collector   {stack.sign_in}   (signs you in, once)")
    print(f"  Inbox       {stack.inbox}   (plays Slack, PagerDuty, a mailbox and a webhook)")
    print(f"  Backend     {stack.backend}   (its API: {stack.backend}/docs)")
    print(f"  Logs, data  {FOLDER}")
    print(flush=True)


def _wait(stack: Stack, names: Sequence[str], doing: Iterator[object] | None = None) -> None:
    """Wait until every channel heard of these rows, and say so of each as it happens."""
    missing = list(names)

    def is_all_heard() -> bool:
        received = _received(stack)
        for name in [name for name in missing if is_heard(received, ROW[name])]:
            missing.remove(name)
            _say(f"  {name}: told to {', '.join(sorted(ROW[name].told))}")
        return not missing

    _until(" and ".join(names), is_all_heard, doing)


def _until(what: str, condition: Callable[[], object], doing: Iterator[object] | None = None) -> None:
    """
    Wait until it is so, with a word now and then; after a while go on, for the report tells what is missing.

    Args:
        what: is waited for.
        doing: goes on meanwhile, step by step.
    """
    began_s = looked_s = said_s = time.monotonic()
    while (now_s := time.monotonic()) - began_s < WAIT_S:
        if now_s - looked_s >= LOOK_S:
            if condition():
                return
            looked_s = time.monotonic()
        if now_s - said_s >= WORD_EVERY_S:
            said_s = now_s
            _say(f"  {now_s - began_s:.0f} s: waiting for {what}")
        if doing is None:
            time.sleep(LOOK_S / 4)
        else:
            next(doing)
    _say(f"  still missing after {WAIT_S:.0f} s: {what}")


def _browsing(traffic: Traffic, member: dict[str, str]) -> Iterator[None]:
    while True:
        traffic.browse(member)
        yield


def _received(stack: Stack) -> list[Received]:
    received: list[Received] = httpx.get(f"{stack.inbox}/received.json").json()
    return received


def _ledger(stack: Stack) -> list[Delivery]:
    ledger: list[Delivery] = stack.web.get("/notifications.json").json()["deliveries"]
    return ledger


def _issues(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.web.get("/issues.json", params={"q": "is:any"}).json()["issues"]
    return found


def _open_incidents(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.web.get("/alerts.json").json()["incidents"]
    return [one for one in found if one["closed_us"] is None]


if __name__ == "__main__":
    main()
