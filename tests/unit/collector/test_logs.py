"""Log lines tell what happened and where, and nothing that somebody sent."""

import datetime as dt
from pathlib import Path

import pytest

from ukemi.collector.logs import show_exception
from ukemi.collector.spool.errors import SpoolFull

SECRET = "hunter2-4111111111111111"


def shown(raising) -> str:
    try:
        raising()
    except Exception:
        return show_exception(None, "", {"exc_info": True})["exception"]
    raise AssertionError("it should have failed")


def chained() -> None:
    try:
        int(SECRET)
    except ValueError as error:
        raise KeyError(SECRET) from error


@pytest.mark.parametrize(
    "raising",
    [
        lambda: dt.datetime.fromisoformat(SECRET),
        lambda: {}[SECRET],
        lambda: f"{SECRET}é".encode().decode("ascii"),
        chained,
    ],
)
def test_an_exception_shows_kind_and_place_without_what_was_sent(raising) -> None:
    text = shown(raising)
    assert SECRET not in text
    assert "test_logs.py:" in text
    assert "Error" in text


def test_words_of_our_own_and_of_the_system_are_shown() -> None:
    def fail() -> None:
        try:
            Path("/nowhere/at/all").read_text()
        except OSError as error:
            raise SpoolFull("The disk of the spool is full.") from error

    assert "The disk of the spool is full." in shown(fail)
    assert "No such file" in shown(fail)
