"""`python -m demo [--once]`: the whole of ukemi at work on live traffic."""

import argparse
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from demo import page_error
from demo.stack import Stack, running
from demo.traffic import OUTAGE_LENGTH, Traffic

FOLDER = Path(__file__).parent.parent / ".demo"
RULES = ("new error type", "critical path", "API downtime")
WAIT_S = 60.0
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
    """Everything once: ordinary failures, a page error, an outage and its end. Returns whether all of it arrived."""
    caused = traffic.caused
    _say("Members register, sign in and pay; one mistypes a password, one card is declined ...")
    members = [traffic.join(name) for name in ("aiko", "bruno", "chidi")]
    for member in members:
        traffic.browse(member)
        assert traffic.pay(member) == 201
    traffic.mistype_password("aiko")
    traffic.pay_with_declined_card(members[1])
    how = page_error.cause(stack.backend)
    caused.error("new error type")
    _say(f"A page fails: {how}.")
    _say(f"The payment service goes down: {OUTAGE_LENGTH} requests in a row fail ...")
    traffic.break_payments(members[0])
    _wait("every rule's alert", lambda: all(_first(stack, rule, "opened") for rule in RULES))
    _say("The payment service is mended, and somebody resolves the issue ...")
    traffic.mend_payments(members[0])
    _wait("the end of the outage", lambda: _first(stack, "API downtime", "closed"))
    for issue in _issues(stack):
        if "payments" in issue["culprit"] and issue["level"] == "error":
            path = f"/projects/{issue['project_id']}/issues/{issue['id']}/status"
            stack.web.post(path, data={"status": "resolved"}).raise_for_status()
    _wait("the end of the page", lambda: _first(stack, "critical path", "closed"))
    return report(stack, traffic)


def report(stack: Stack, traffic: Traffic) -> bool:
    """Print what was sent, found and told. Returns whether nothing is missing."""
    caused = traffic.caused
    _wait("all errors", lambda: sum(issue["event_count"] for issue in _issues(stack)) >= caused.errors)
    issues = _issues(stack)
    print()
    print(f"Requests served      {traffic.requests}")
    print(f"Errors sent          {caused.errors}")
    print(f"Errors counted       {sum(issue['event_count'] for issue in issues)}")
    print(f"Issues found         {len(issues)}")
    for issue in issues:
        print(f"  {issue['name']:<10} {issue['level']:<8} {issue['event_count']:>3} × {issue['title'][:80]}")
    print("Alerts delivered     rule, first channel, delay from the cause to the channel's request")
    stored = sum(int(issue["event_count"]) for issue in issues)
    is_complete = stored == caused.errors
    if not is_complete:
        print("  The number of stored events differs from the errors sent.")
    received = _received(stack)
    for rule in RULES:
        opened = _first(stack, rule, "opened")
        closed = _first(stack, rule, "closed")
        channels = sorted({one["channel"] for one in received if one["rule"] == rule and one["state"] == "opened"})
        if opened is None:
            print(f"  {rule:<16} MISSING")
            is_complete = False
            continue
        delay_s = opened["at_s"] - caused.at_s[rule]
        end = "resolved" if closed else "stays open until it is quiet"
        print(f"  {rule:<16} {', '.join(channels):<26} {delay_s:5.2f} s   {end}")
    for rule in ("critical path", "API downtime"):
        told = {one["channel"] for one in received if one["rule"] == rule and one["state"] == "closed"}
        if told != {"slack", "pagerduty", "webhook"}:
            print(f"  {rule}: the end reached only {', '.join(sorted(told)) or 'nobody'}.")
            is_complete = False
    print(f"Messages in the inbox {len(received)}")
    print()
    return is_complete


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
    print(f"  Inbox       {stack.inbox}   (plays Slack, PagerDuty and a webhook)")
    print(f"  Backend     {stack.backend}   (its API: {stack.backend}/docs)")
    print(f"  Logs, data  {FOLDER}")
    print(flush=True)


def _wait(what: str, condition: Callable[[], object]) -> None:
    """Wait until it is so; after a minute go on, for the report tells what is missing."""
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline_s:
            _say(f"  still missing after {WAIT_S:.0f} s: {what}")
            return
        time.sleep(0.1)


def _received(stack: Stack) -> list[dict[str, Any]]:
    received: list[dict[str, Any]] = httpx.get(f"{stack.inbox}/received.json").json()
    return received


def _first(stack: Stack, rule: str, state: str) -> dict[str, Any] | None:
    return next((one for one in _received(stack) if one["rule"] == rule and one["state"] == state), None)


def _issues(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.web.get("/issues.json", params={"q": "is:any"}).json()["issues"]
    return found


if __name__ == "__main__":
    main()
