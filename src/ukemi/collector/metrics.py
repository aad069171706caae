"""
Every metric of the collector, declared once, with the sentence that explains it. The reference page is checked against this.

The HTTP process answers `/metrics`. What only the worker knows reaches it through a small file that the worker writes every
second; so no metric may belong to both. Labels are few and short: no payload, no address, no name from an event.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

disable_created_metrics()  # type: ignore[no-untyped-call]  # a gauge more for each series, that nobody asks for

HTTP: Final = CollectorRegistry()
WORKER: Final = CollectorRegistry()

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

# --- of the HTTP process ----------------------------------------------------------------------------------------------

envelopes = Counter("ukemi_envelopes", "Envelopes that were answered, by HTTP status.", ["status"], registry=HTTP)
answer_seconds = Histogram(
    "ukemi_envelope_answer_seconds",
    "Seconds from an envelope's request line to its answer; with status 200 it is on disk by then.",
    registry=HTTP,
    buckets=_SECONDS,
)
ready = Gauge("ukemi_ready", "1 while everything works that /health/ready looks at, else 0.", registry=HTTP)
database_up = Gauge("ukemi_database_up", "1 while the database answers, else 0.", registry=HTTP)
database_bytes = Gauge("ukemi_database_bytes", "Bytes that the database takes on its disk.", registry=HTTP)
spool_items = Gauge("ukemi_spool_items", "Items that wait in the spool for digest, about.", registry=HTTP)
spool_bytes = Gauge("ukemi_spool_bytes", "Bytes that wait in the spool.", registry=HTTP)
spool_age_seconds = Gauge(
    "ukemi_spool_oldest_age_seconds",
    "Seconds that the oldest item in the spool has waited; 0 when none does.",
    registry=HTTP,
)
worker_silence_seconds = Gauge(
    "ukemi_worker_silence_seconds",
    "Seconds since the worker last went round its loop; it does so every second.",
    registry=HTTP,
)

# --- of the worker ----------------------------------------------------------------------------------------------------

outcomes = Counter(
    "ukemi_outcomes",
    "Items by what became of them, as digest counted them; docs/reference/outcomes.md explains outcome and reason.",
    ["project", "category", "outcome", "reason"],
    registry=WORKER,
)
stage_seconds = Histogram(
    "ukemi_stage_step_seconds",
    "Seconds of one step of a stage that found something to do.",
    ["stage"],
    registry=WORKER,
    buckets=_SECONDS,
)
stage_work = Counter(
    "ukemi_stage_work",
    "What a stage worked off: items digested and changes judged, or notifications sent.",
    ["stage"],
    registry=WORKER,
)
stage_failures = Counter(
    "ukemi_stage_failures",
    "Steps of a stage that failed and were tried again; the log says why.",
    ["stage"],
    registry=WORKER,
)
assisted_events = Counter(
    "ukemi_assisted_events",
    "Events that digest's assistant understood, a second process that runs while there is a backlog.",
    registry=WORKER,
)
retention_rows = Counter("ukemi_retention_rows", "Rows that retention deleted, by table.", ["table"], registry=WORKER)


def exposition(registry: CollectorRegistry) -> bytes:
    """The metrics of `registry` in Prometheus' text format."""
    return generate_latest(registry)
