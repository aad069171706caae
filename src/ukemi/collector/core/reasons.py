"""What each outcome and reason means, in a sentence, and what to do about it: what the accounting page says."""

from typing import Final

import msgspec

from ukemi.collector.core.outcome import OutcomeKind


class Meaning(msgspec.Struct, frozen=True):
    happened: str
    to_do: str = ""
    """ "" where there is nothing to be done."""


KINDS: Final[dict[OutcomeKind, str]] = {
    "accepted": "Kept: it is on its issue, or in the totals.",
    "duplicate": "Known already; nothing was counted twice.",
    "sampled": "In the totals, and no example of it was kept.",
    "filtered": "Left out by a filter.",
    "rate_limited": "Refused with HTTP 429 because of a limit; the SDK was told to wait.",
    "invalid": "Could not be understood, or may not be sent like this.",
    "not_kept": "Well-formed, but of a kind that this version does not keep.",
    "lost": "Never arrived: the SDK itself says so.",
}

REASONS: Final[dict[OutcomeKind, dict[str, Meaning]]] = {
    "duplicate": {
        "event_id": Meaning("A client, proxy or crash sent the same event again."),
        "attachment": Meaning("The event has a file of this name and content already."),
    },
    "sampled": {
        "storm": Meaning("The same error happened again and again; the SDK counted it.", "Mend the error."),
        "not_an_example": Meaning(
            "Spans of transactions that are in the totals; slower or failed ones of the same name and hour are kept as examples."
        ),
    },
    "filtered": {
        "browser_extension": Meaning("A browser extension broke the page's security policy, not the page."),
    },
    "rate_limited": {
        "project_minute": Meaning(
            "The project had as many items of this category as it may have in a minute.",
            "Look for the storm, or raise the limit (UKEMI_EVENTS_PER_MINUTE and its siblings).",
        ),
        "key_minute": Meaning(
            "The client key had as many items of this category as it may have in a minute.",
            "Look for the storm, or raise the key's limit: ukemi key limit.",
        ),
        "pressure": Meaning(
            "Much waits in the spool, so what matters less gives way: samples first, then sessions, feedback and attachments.",
            "If it lasts, look at the worker's log: digest is stopped or too slow for what is sent.",
        ),
        "spool_full": Meaning(
            "UKEMI_MAX_SPOOL_BYTES wait in the spool, or its disk is full.",
            "Look at the worker's log and at the disk.",
        ),
    },
    "not_kept": {
        "disk_limit": Meaning(
            "The event was kept, and went as one of the oldest when the database exceeded UKEMI_MAX_DATABASE_BYTES.",
            "Raise the limit, or keep errors for fewer days.",
        ),
        "deleted": Meaning("The event was kept, and went with its issue when an owner deleted that."),
    },
    "invalid": {
        "unknown_type": Meaning("There is no such item type in Sentry's protocol.", "Look at what sends it."),
        "browser_key": Meaning("Request counts came with a browser key, which is public.", "Use a server key."),
        "too_large": Meaning("The item is larger than its limit.", "Send less, or raise UKEMI_MAX_ITEM_BYTES."),
        "too_many": Meaning(
            "The event has as many attachments as it may have.", "Send fewer, or raise UKEMI_MAX_ATTACHMENTS_PER_EVENT."
        ),
        "no_event": Meaning("An attachment came without saying which event it belongs to.", "Look at what sends it."),
        "unknown_event": Meaning("Repeats of an event that is not here: it was refused, or lost on its way."),
        "unknown_version": Meaning("Written in a newer version of our own items.", "Upgrade the collector."),
        "bad_json": Meaning("The payload is not JSON, or is nested too deep.", "Look at what sends it."),
        "not_an_object": Meaning("The payload is JSON, but not an object.", "Look at what sends it."),
        "bad_transaction": Meaning("A transaction without usable start, end or trace.", "Look at what sends it."),
        "bad_container": Meaning("A container of spans without a list of them.", "Look at what sends it."),
        "bad_session": Meaning("A session without an id, or with too many aggregates.", "Look at what sends it."),
        "no_release": Meaning("A session of no release; it could not be filed.", "Set the release in the SDK."),
        "too_old": Meaning("A session that began more than five days ago."),
        "bad_feedback": Meaning("Feedback without a message, or about no event.", "Look at what sends it."),
        "bad_security_report": Meaning("A security report of no kind that we know.", "Look at what sends it."),
        "bad_request_counts": Meaning("Request counts with a field missing or out of its bounds.", "Mend the sender."),
        "bad_repeats": Meaning("Repeats that cannot be read, or out of their bounds.", "Mend the sender."),
        "bad_client_report": Meaning("A loss report that is not what the protocol says.", "Look at what sends it."),
        "not_understood": Meaning("The item made our own code fail.", "Report it: the worker's log has the details."),
    },
}

LOST: Final[dict[str, Meaning]] = {
    "before_send": Meaning("A hook of the app (before_send) dropped it."),
    "event_processor": Meaning("An event processor of the app or of the SDK dropped it."),
    "sample_rate": Meaning("The SDK's sampling left it out, as its rate says."),
    "ratelimit_backoff": Meaning("The SDK held it back after it was told to wait.", "See what is rate_limited here."),
    "queue_overflow": Meaning("The SDK's queue was full.", "Look at the network between app and collector."),
    "buffer_overflow": Meaning("The SDK's buffer was full."),
    "cache_overflow": Meaning("The SDK's cache on disk was full."),
    "network_error": Meaning("The collector could not be reached, or answered with an error."),
    "send_error": Meaning("The collector refused the envelope, for its size say.", "See the app's log."),
    "internal_sdk_error": Meaning("The SDK failed."),
    "insufficient_data": Meaning("The SDK had too little to make it."),
    "backpressure": Meaning("The SDK sampled less, since the app was under load."),
    "no_parent_span": Meaning("A span without a parent, which the SDK does not send."),
    "ignored": Meaning("A list of the app (ignore_errors, ignore_spans) dropped it."),
}
"""Reasons that SDKs give; other words stand as they came."""


def meaning(kind: OutcomeKind, reason: str) -> Meaning:
    """What became of items with this outcome and reason, in a sentence."""
    if kind == "not_kept" and reason not in REASONS[kind]:
        return Meaning(
            f"Items of type {reason} are read and counted, not kept.", "Switch them off in the SDK to save traffic."
        )
    known = LOST if kind == "lost" else REASONS.get(kind, {})
    return known.get(reason) or Meaning(KINDS[kind])
