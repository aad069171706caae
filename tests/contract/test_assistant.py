"""The assistant, a real process: what it answers is what the worker would have understood, and nothing hangs on its help."""

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from ukemi.collector import metrics
from ukemi.collector.core.clock import VirtualClock
from ukemi.collector.digest.assistant import BACKLOG_S, FIRST_PAUSE_S, IDLE_S, SILENT_S, Assistant
from ukemi.collector.digest.understand import GroupedBy, Understood, understand
from ukemi.collector.digest.worker import BATCH_ITEMS, Digest
from ukemi.collector.spool.item import ItemContext, Lane, SpoolItem
from ukemi.collector.spool.reader import SpoolReader
from ukemi.collector.spool.writer import SpoolWriter
from ukemi.collector.store import issue_detail, schema
from ukemi.collector.store.database import Database
from ukemi.privacy import DEFAULT_RULES
from ukemi.protocol.envelope import parse_envelope

GOLDEN = Path(__file__).parent.parent / "golden"
HASH_KEY = b"k" * 32
RULES = dataclasses.replace(DEFAULT_RULES, hash_key=HASH_KEY)
BY = GroupedBy()
NOW_US = 1_767_225_600_000_000
CONTEXT = msgspec.json.encode(ItemContext(user_agent="Mozilla/5.0 Firefox/140.0", client_ip="203.0.113.7"))


class Watch:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def item(position: int, payload: bytes) -> SpoolItem:
    return SpoolItem(position, Lane.EVENTS, NOW_US, 1, "browser", "event", f"{position:032x}", CONTEXT, payload)


def recorded() -> list[bytes]:
    """Events that real SDKs sent."""
    envelopes = [parse_envelope(path.read_bytes()) for path in sorted(GOLDEN.glob("*.envelope"))]
    return [one.payload for envelope in envelopes for one in envelope.items if one.header.type == "event"]


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.01)


def start(assistant: Assistant, watch: Watch) -> None:
    """Let a backlog last until an assistant is started."""
    assistant.note(is_behind=True)
    watch.s += BACKLOG_S
    assistant.note(is_behind=True)


def await_ready(assistant: Assistant) -> None:
    def is_ready() -> bool:
        assistant.tend()
        return assistant.is_ready

    wait_until(is_ready, "the assistant takes orders")


def ask(assistant: Assistant, items: list[SpoolItem]) -> list[Understood | None]:
    """All that an assistant answers, once it has answered everything."""
    assistant.order(items, {1: BY}, HASH_KEY)

    def has_answered() -> bool:
        assistant.tend()
        return not assistant.owes

    wait_until(has_answered, "everything is answered")
    return [assistant.answer(one, BY) for one in items]


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def assistant(watch: Watch) -> Iterator[Assistant]:
    """One that runs and takes orders."""
    one = Assistant(watch)
    start(one, watch)
    await_ready(one)
    yield one
    one.close()


@pytest.fixture(scope="module")
def lasting() -> Iterator[Assistant]:
    """One for many examples."""
    watch = Watch()
    one = Assistant(watch)
    start(one, watch)
    await_ready(one)
    yield one
    one.close()


# --- the same ---------------------------------------------------------------------------------------------------------


def test_it_understands_what_real_sdks_sent_as_the_worker_does(lasting: Assistant) -> None:
    items = [item(number, payload) for number, payload in enumerate(recorded(), 1)]
    assert len(items) > 8
    assert ask(lasting, items) == [understand(one, RULES, BY) for one in items]


def test_what_cannot_be_understood_is_left_to_the_worker_and_costs_no_other_event(lasting: Assistant) -> None:
    bad = [b"", b"{", b"[]", b"\xff\xfe", b"7", b'{"a":' * 2000]
    items = [item(1000 + number, payload) for number, payload in enumerate([*bad, b'{"message": "fine"}'])]
    answers = ask(lasting, items)
    assert answers[:-1] == [None] * len(bad)
    assert answers[-1] == understand(items[-1], RULES, BY)


NAMES = st.sampled_from(
    ["message", "level", "tags", "user", "email", "password", "exception", "values", "extra", "timestamp", "release"]
)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=20)
@given(st.lists(st.dictionaries(NAMES, TREES), min_size=1, max_size=10))
def test_any_event_is_understood_as_the_worker_does(lasting: Assistant, events: list[dict[str, object]]) -> None:
    items = [item(number, msgspec.json.encode(event)) for number, event in enumerate(events, 2000)]
    assert ask(lasting, items) == [understand(one, RULES, BY) for one in items]


# --- when it runs -----------------------------------------------------------------------------------------------------


def test_it_starts_only_when_a_backlog_lasts(watch: Watch) -> None:
    one = Assistant(watch)
    one.note(is_behind=True)
    watch.s += BACKLOG_S / 2
    one.note(is_behind=False)
    watch.s += BACKLOG_S / 2
    one.note(is_behind=True)
    assert one.pid is None
    watch.s += BACKLOG_S
    one.note(is_behind=True)
    assert one.pid
    one.close()


def test_it_ends_when_there_was_nothing_to_do_for_a_while(assistant: Assistant, watch: Watch) -> None:
    """Its memory is for those who have a backlog."""
    process = psutil.Process(assistant.pid)
    watch.s += IDLE_S
    assistant.tend()
    assert assistant.is_ready
    watch.s += 1
    assistant.tend()
    assert assistant.pid is None
    assert not process.is_running()


def test_it_ends_when_its_worker_is_killed(tmp_path: Path) -> None:
    """By whatever death: nobody is left to tell it."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import time\n"
        "from ukemi.collector.digest.assistant import Assistant\n"
        "s = [0.0]\n"
        "one = Assistant(lambda: s[0])\n"
        "one.note(is_behind=True); s[0] = 9.0; one.note(is_behind=True)\n"
        "while not one.is_ready: one.tend(); time.sleep(0.01)\n"
        "print(one.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    worker = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert worker.stdout
    while not (line := worker.stdout.readline().strip()).isdigit():
        assert worker.poll() is None
    child = psutil.Process(int(line))
    for number in (signal.SIGTERM, signal.SIGINT):  # told to the whole group, say: they are for the worker alone
        child.send_signal(number)
    assert child.is_running()
    assert child.status() != psutil.STATUS_ZOMBIE
    worker.kill()
    worker.communicate()
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running()


def test_a_process_with_one_core_knows_it() -> None:
    script = (
        "import os\n"
        "from ukemi.collector.digest.assistant import cores\n"
        "assert cores() == len(os.sched_getaffinity(0))\n"
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "print(cores())\n"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "1\n"


# --- when it is of no use ---------------------------------------------------------------------------------------------

OTHER = """
import socket, sys, time
from ukemi.collector.digest.assisting import *
from ukemi.collector.digest.assisting import _read
from ukemi.collector.digest.understand import understand
s = socket.socket(fileno=0)
"""
HELLO = OTHER + "s.sendall(frame(Hello(code())))\n"
ANSWERS_ANOTHER = """
_read(s, Order); task = _read(s, Task)
other = msgspec.structs.replace(task.item, event_id="f" * 32)
s.sendall(frame(Answer(task.item.position, 1, None, understand(other, DEFAULT_RULES, GroupedBy()))))
time.sleep(600)
"""


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(3)",
        OTHER + "s.sendall(b'HTTP/1.1 400 Bad Request'); time.sleep(600)",
        OTHER + "s.sendall(bytes([0, 0, 0, 3, 1, 2, 3])); time.sleep(600)",
        OTHER + "s.sendall(frame(Hello('other'))); time.sleep(600)",
        HELLO + "_read(s, Order); s.sendall(bytes([0, 0, 0, 2, 255, 255])); time.sleep(600)",
        HELLO + "_read(s, Order); os._exit(1)",
        HELLO + ANSWERS_ANOTHER,
    ],
    ids=["dies", "other protocol", "no greeting", "other code", "bad bytes", "dies at work", "answers another"],
)
def test_one_that_is_of_no_use_is_ended_and_tried_again_later(watch: Watch, program: str) -> None:
    """Each time after a longer while."""
    one = Assistant(watch, [sys.executable, "-c", program])
    event = item(1, b'{"message": "m"}')

    def is_gone() -> bool:
        one.tend()
        if one.is_ready and not one.owes:
            one.order([event], {1: BY}, HASH_KEY)
            wait_until(lambda: one.tend() or not one.owes, "an answer or none")
            assert one.answer(event, BY) is None
        return one.pid is None

    for pause_s in (FIRST_PAUSE_S, FIRST_PAUSE_S * 2):
        start(one, watch)
        assert one.pid
        wait_until(is_gone, "it is given up")
        assert one.answer(event, BY) is None
        watch.s += pause_s - 1
        one.note(is_behind=True)
        assert one.pid is None
        watch.s += 1
    one.close()


def test_one_that_hangs_is_ended(assistant: Assistant, watch: Watch) -> None:
    process = psutil.Process(assistant.pid)
    process.suspend()
    event = item(1, b'{"message": "m"}')
    assistant.order([event], {1: BY}, HASH_KEY)
    watch.s += SILENT_S
    assistant.tend()
    assert assistant.pid
    watch.s += 1
    assistant.tend()
    assert assistant.pid is None
    assert not process.is_running()


def test_one_that_takes_no_order_is_ended(assistant: Assistant) -> None:
    """Handing over more than the socket holds would wait for ever."""
    psutil.Process(assistant.pid).suspend()
    assistant.order([item(1, b'{"message": "%s"}' % (b"m" * (4 << 20)))], {1: BY}, HASH_KEY)
    assert assistant.pid is None


def test_an_answer_by_another_version_of_fingerprints_is_not_taken(assistant: Assistant) -> None:
    """The project has moved on since it was asked for."""
    event = item(1, b'{"message": "m"}')
    assistant.order([event], {1: BY}, HASH_KEY)
    wait_until(lambda: assistant.tend() or not assistant.owes, "it is answered")
    assert assistant.answer(event, GroupedBy(1, earlier=1)) is None


# --- a whole digest ---------------------------------------------------------------------------------------------------

BACKLOG = BATCH_ITEMS * 5


@pytest.fixture
def backlog(project: object, spool_writer: SpoolWriter) -> list[SpoolItem]:
    """Events that wait, a bad one among them now and then, and every hundredth twice."""
    payloads = [*recorded(), b"{"]
    items = [item(number, payloads[number % len(payloads)]) for number in range(BACKLOG)]
    items[50::100] = items[49::100]
    asyncio.run(spool_writer.append(items))
    return items


def assert_all_is_stored_once(database: Database, items: list[SpoolItem]) -> None:
    """What one process alone would have written."""
    good = {one.event_id: one for one in items if one.payload != b"{"}
    with database.read() as tx:
        rows = tx.execute(sa.select(schema.event.c.issue_id, schema.event.c.id)).all()
        assert sorted(row.id.hex() for row in rows) == sorted(good)
        assert tx.execute(sa.select(sa.func.sum(schema.issue.c.event_count))).scalar() == len(good)
        outcomes = dict(
            tx.execute(
                sa.select(schema.outcome.c.outcome, sa.func.sum(schema.outcome.c.quantity)).group_by(
                    schema.outcome.c.outcome
                )
            ).all()
        )
        bad = sum(one.payload == b"{" for one in items)
        assert outcomes == {
            "accepted": len(good),
            "invalid": bad,
            "duplicate": len(items) - bad - len(good),
        }
        hashes = {}
        for row in rows[::7]:
            event = issue_detail.event(tx, 1, row.issue_id, row.id.hex())
            expected = understand(good[row.id.hex()], RULES, BY)
            assert event
            assert event.body == expected.content
            assert hashes.setdefault(row.issue_id, expected.fingerprint.hash) == expected.fingerprint.hash


def assisted() -> float:
    return metrics.WORKER.get_sample_value("ukemi_assisted_events_total") or 0.0


def digest_the_rest(digest: Digest, assistant: Assistant, clock: VirtualClock) -> float:
    """Digest what waits, every second batch only once the assistant has answered all of it; returns how many it answered."""
    before, steps = assisted(), 0
    while digest.step(clock):
        steps += 1
        if steps % 2:
            wait_until(lambda: assistant.tend() or not assistant.owes, "all that was ordered is answered")
    return assisted() - before


def test_a_backlog_is_stored_with_an_assistant_as_without(
    database: Database, spool_reader: SpoolReader, clock: VirtualClock, backlog: list[SpoolItem], assistant: Assistant
) -> None:
    digest = Digest(database, spool_reader, HASH_KEY, assistant=assistant)
    answered = digest_the_rest(digest, assistant, clock)
    assert_all_is_stored_once(database, backlog)
    assert answered


def test_an_assistant_that_is_killed_at_work_loses_and_doubles_nothing(
    database: Database,
    spool_reader: SpoolReader,
    clock: VirtualClock,
    watch: Watch,
    backlog: list[SpoolItem],
    assistant: Assistant,
) -> None:
    """And the next one helps with what is left."""
    digest = Digest(database, spool_reader, HASH_KEY, assistant=assistant)
    digest.step(clock)
    assert assistant.pid
    assert assistant.owes
    os.kill(assistant.pid, signal.SIGKILL)
    wait_until(lambda: assistant.tend() or assistant.pid is None, "its death is noticed")
    digest.step(clock)
    watch.s += FIRST_PAUSE_S
    digest.step(clock)
    await_ready(assistant)
    answered = digest_the_rest(digest, assistant, clock)
    assert_all_is_stored_once(database, backlog)
    assert answered


def test_a_transaction_that_fails_leaves_all_to_the_next_try_with_an_assistant_as_without(
    database: Database, spool_reader: SpoolReader, clock: VirtualClock, backlog: list[SpoolItem], assistant: Assistant
) -> None:
    """What was read and ordered ahead belongs to a batch that follows none."""
    digest = Digest(database, spool_reader, HASH_KEY, assistant=assistant)
    digest.step(clock)
    with database.write() as tx:
        tx.execute(sa.text("ALTER TABLE outcome RENAME TO away"))
    with pytest.raises(sa.exc.SQLAlchemyError):
        digest.step(clock)
    with database.write() as tx:
        tx.execute(sa.text("ALTER TABLE away RENAME TO outcome"))
    while digest.step(clock):
        pass
    assert_all_is_stored_once(database, backlog)
