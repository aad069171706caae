"""States of rules between two evaluations, and the evaluations that changed one."""

from collections.abc import Collection, Mapping

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.evaluate import State, Verdict
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx, upsert

Labels = Mapping[str, str]


def write_labels(labels: Labels) -> str:
    """Labels as they stand in keys: a JSON object with sorted keys."""
    return msgspec.json.encode(dict(sorted(labels.items()))).decode()


def read_labels(text: str) -> dict[str, str]:
    return msgspec.json.decode(text, type=dict[str, str])


def get(tx: Tx, project_id: int, rule: str, labels: Labels) -> State:
    """The state of a rule for these labels; `ok` when it was never judged."""
    c = schema.rule_state.c
    query = sa.select(c.state, c.since_us, c.last_true_us).where(
        c.project_id == project_id, c.rule == rule, c.labels == write_labels(labels)
    )
    row = tx.execute(query).first()
    return State("firing" if row.state == "firing" else "ok", row.since_us, row.last_true_us) if row else State()


def put(
    tx: Tx, project_id: int, rule: str, labels: Labels, verdict: Verdict, incident_id: str | None, now_us: int
) -> None:
    """Note a verdict: the new state, and, where it changed something, the evaluation."""
    text = write_labels(labels)
    explanation = msgspec.json.encode(verdict.why).decode()
    key = {"project_id": project_id, "rule": rule, "labels": text}
    row = {
        "state": verdict.state.status,
        "since_us": verdict.state.since_us,
        "last_true_us": verdict.state.last_true_us,
        "evaluated_us": now_us,
        "incident_id": incident_id,
        "explanation": explanation,
    }
    upsert(tx, schema.rule_state, [key | row], replace=list(row))
    if verdict.transition:
        evaluation = {"at_us": now_us, "state": verdict.state.status, "changed": True, "explanation": explanation}
        tx.execute(sa.insert(schema.evaluation), [key | evaluation])


def firing(tx: Tx, rule: str) -> list[tuple[int, dict[str, str], State]]:
    """Project, labels and state of every instance of a rule that is firing."""
    c = schema.rule_state.c
    query = sa.select(c.project_id, c.labels, c.since_us, c.last_true_us).where(c.rule == rule, c.state == "firing")
    return [
        (row.project_id, read_labels(row.labels), State("firing", row.since_us, row.last_true_us))
        for row in tx.execute(query)
    ]


def forget_others(tx: Tx, rules: Collection[str]) -> None:
    """Delete the states of rules that are none of these."""
    tx.execute(sa.delete(schema.rule_state).where(schema.rule_state.c.rule.not_in(rules)))


class RuleInstance(msgspec.Struct, frozen=True):
    """How one rule stands for one set of labels."""

    project_id: int
    rule: str
    labels: dict[str, str]
    state: str
    evaluated_us: int
    incident_id: str | None
    because: str


def all_instances(tx: Tx, limit: int) -> list[RuleInstance]:
    """How the rules stand, the latest judged first."""
    table = schema.rule_state
    query = sa.select(table).order_by(table.c.evaluated_us.desc()).limit(limit)
    return [
        RuleInstance(
            row.project_id,
            row.rule,
            read_labels(row.labels),
            row.state,
            row.evaluated_us,
            row.incident_id,
            msgspec.json.decode(row.explanation)["because"],
        )
        for row in tx.execute(query)
    ]
