"""
Words of the wire that both ends use. Standard library only: this module is loaded into users' apps.

Source for item types and categories: develop.sentry.dev/sdk/foundations/transport, read 2026-11, and real SDKs.
"""

import math
from typing import Final, Literal

REQUEST_COUNTS_ITEM: Final = "ukemi_request_counts"
REQUEST_COUNTS_VERSION: Final = 1
REQUEST_BUCKET_S: Final = 10
"""Width of one request-count bucket in seconds."""
REQUEST_BUCKETS_RESENT: Final = 6
"""How many of its latest buckets an instance sends again in each report, so that a lost report heals."""

REPEATS_ITEM: Final = "ukemi_repeats"
REPEATS_VERSION: Final = 1

HEALTH_SEGMENTS: Final = frozenset({"health", "healthz", "ready", "readyz", "live", "livez", "ping"})
"""A path that holds one of these is a health check: a machine asks it, so it says nothing about how people fare."""

KeyKind = Literal["server", "browser"]
Level = Literal["debug", "info", "warning", "error", "fatal"]

Category = str
ITEM_CATEGORIES: Final[dict[str, Category]] = {
    "event": "error",
    "transaction": "transaction",
    "session": "session",
    "sessions": "session",
    "attachment": "attachment",
    "user_report": "feedback",
    "feedback": "feedback",
    "check_in": "monitor",
    "log": "log_item",
    "trace_metric": "trace_metric",
    "span": "span",
    "profile": "profile",
    "profile_chunk": "profile_chunk",
    "profile_chunk_ui": "profile_chunk_ui",
    "replay_event": "replay",
    "replay_recording": "replay",
    "replay_video": "replay",
    "client_report": "internal",
    "security": "security",
    "raw_security": "security",
    "nel": "log_item",
    "minidump": "error",
    "unreal_report": "error",
    "form_data": "default",
    "otel_span": "span",
    "otel_logs_data": "log_item",
    "statsd": "metric_bucket",
    "metric_buckets": "metric_bucket",
    "metric_meta": "metric_bucket",
    REQUEST_COUNTS_ITEM: "internal",
    REPEATS_ITEM: "internal",
}
UNKNOWN_CATEGORY: Final[Category] = "default"
CATEGORIES: Final = frozenset(
    {*ITEM_CATEGORIES.values(), UNKNOWN_CATEGORY, "attachment_item", "log_byte", "trace_metric_byte", "span_indexed"}
    | {"transaction_indexed", "transaction_processed", "profile_indexed", "profile_duration", "replay_video"}
)
"""What an item, or a loss that an SDK reports, may count under."""

_LATENCY_GROWTH: Final = math.log(1.02)


def latency_bin(duration_ms: float) -> int:
    """
    Number of the latency bin that holds `duration_ms`: bin n holds (1.02 ** (n - 1), 1.02 ** n] milliseconds.

    Bins add up over processes and minutes, and any quantile read from them is within 1 % of the true one.
    Everything up to 0.1 ms is in one bin, so numbers stay between -116 and about 1,250 (a day).
    """
    return math.ceil(math.log(max(duration_ms, 0.1)) / _LATENCY_GROWTH)


def latency_of_bin(number: int) -> float:
    """Milliseconds that stand for bin `number`: its geometric middle."""
    return float(1.02 ** (number - 0.5))
