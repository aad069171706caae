"""States of rules between two evaluations, and the evaluations that changed one."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.evaluate import State, Verdict
from ukemi.collector.core.judge import Instance
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx, upsert

Labels = Mapping[str, str]
_KEY = ("project_id", "rule", "labels")


def write_labels(labels: Labels) -> str:
    """Labels as they stand in keys: a JSON object with sorted keys."""
    return msgspec.json.encode(dict(sorted(labels.items()))).decode()


def read_labels(text: str) -> dict[str, str]:
    return msgspec.json.decode(text, type=dict[str, str])


def awake(tx: Tx) -> dict[Instance, State]:
    """The states of all instances that are not at rest."""
    c = schema.rule_state.c
    query = sa.select(c.project_id, c.rule, c.labels, c.state, c.since_us, c.last_true_us, c.tier).where(
        c.state.not_in(["ok", "no_data"])
    )
    return {
        Instance(row.project_id, row.rule, tuple(read_labels(row.labels).items())): State(
            row.state, row.since_us, row.last_true_us, row.tier
        )
        for row in tx.execute(query)
    }


class Judged(msgspec.Struct, frozen=True):
    """How one instance of a rule came out."""

    project_id: int
    rule: str
    labels: str
    verdict: Verdict
    incident_id: str | None
    """The open one."""


def put(tx: Tx, judged: Sequence[Judged], now_us: int) -> None:
    """Note verdicts, no two of one instance: the new state, and, where that changed, the evaluation."""
    rows, evaluations = [], []
    for one in judged:
        key = {"project_id": one.project_id, "rule": one.rule, "labels": one.labels}
        state, explanation = one.verdict.state, msgspec.json.encode(one.verdict.why).decode()
        rows.append(
            key
            | {
                "state": state.status,
                "since_us": state.since_us,
                "last_true_us": state.last_true_us,
                "tier": state.tier,
                "evaluated_us": now_us,
                "incident_id": one.incident_id,
                "explanation": explanation,
            }
        )
        if one.verdict.transition or state.since_us == now_us:
            evaluations.append(
                key | {"at_us": now_us, "state": state.status, "changed": True, "explanation": explanation}
            )
    if rows:
        upsert(tx, schema.rule_state, rows, replace=[name for name in rows[0] if name not in _KEY])
    if evaluations:
        tx.execute(sa.insert(schema.evaluation), evaluations)


def firing(tx: Tx, rule: str, project_id: int | None = None) -> int:
    """How many instances of a rule have an open incident, in one project or in all."""
    c = schema.rule_state.c
    query = sa.select(sa.func.count()).where(c.rule == rule, c.state.in_(["firing", "recovering"]))
    if project_id is not None:
        query = query.where(c.project_id == project_id)
    return int(tx.execute(query).scalar_one())


def forget(tx: Tx, instances: Collection[Instance]) -> None:
    """Delete the states of instances that nobody judges any more."""
    c = schema.rule_state.c
    for one in instances:
        labels = write_labels(dict(one.labels))
        tx.execute(
            sa.delete(schema.rule_state).where(c.project_id == one.project_id, c.rule == one.rule, c.labels == labels)
        )


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
