"""The page of the wire item against the reader of the collector and the counter of the SDK."""

import math

import msgspec
import pytest

from tests.docs.pages import Page
from ukemi.protocol.request_counts import (
    MAX_BUCKETS,
    MAX_ROUTES,
    Bucket,
    Instance,
    RequestCounts,
    RouteCount,
    read_request_counts,
)
from ukemi.protocol.vocabulary import (
    REQUEST_BUCKET_S,
    REQUEST_BUCKETS_RESENT,
    REQUEST_COUNTS_ITEM,
    REQUEST_COUNTS_VERSION,
    latency_bin,
)
from ukemi.sdk import request_counts as sdk

PAGE = Page.read("docs/reference/request-counts.md")
(EXAMPLE,) = PAGE.snippets("json")
STRUCTS = {"The report": RequestCounts, "`instance`": Instance, "A bucket": Bucket, "A route": RouteCount}


def test_the_page_is_about_the_version_that_is_sent():
    assert f"`{REQUEST_COUNTS_ITEM}`" in PAGE.text
    assert f"Version {REQUEST_COUNTS_VERSION}." in PAGE.text


def test_the_example_can_be_read_and_agrees_with_itself():
    report = read_request_counts(EXAMPLE.encode())

    assert report.failure_count == len(report.failures_ms)
    assert report.failures_ms == sorted(report.failures_ms, reverse=True)
    assert report.since_request_ms == report.failures_ms[-1]
    assert report.since_success_ms > report.failures_ms[0]
    for bucket in report.buckets:
        assert bucket.age_ms == report.instance.age_ms - bucket.sequence * REQUEST_BUCKET_S * 1000
        assert all(sum(route.latency.values()) == route.count for route in bucket.routes)


def test_the_example_shows_every_field():
    assert keys_of(msgspec.json.decode(EXAMPLE)) == {name for s in STRUCTS.values() for name in s.__struct_fields__}


def test_the_sdk_sends_the_fields_of_the_page_and_no_others():
    counter = sdk.RequestCounter("production", "shop@1.4.2", clock=lambda: 0.0)
    counter.count("GET", "/members/{id}", 200, 16.0)

    assert keys_of(counter.report()) == keys_of(msgspec.json.decode(EXAMPLE))


def keys_of(tree):
    """All keys of all objects but the bins of `latency`."""
    if isinstance(tree, list):
        return set().union(*map(keys_of, tree))
    if isinstance(tree, dict):
        return set(tree).union(*(keys_of(value) for key, value in tree.items() if key != "latency"))
    return set()


@pytest.mark.parametrize(("heading", "struct"), STRUCTS.items(), ids=STRUCTS)
def test_a_table_lists_exactly_the_fields_with_their_defaults(heading, struct):
    listed = {row["field"].strip("`"): row["default"].strip("`") for row in PAGE.section(heading).table()}

    expected = {}
    for field in msgspec.structs.fields(struct):
        default = field.default if field.default is not msgspec.NODEFAULT else None
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        expected[field.encode_name] = "" if field.required else msgspec.json.encode(default).decode()
    assert listed == expected


def test_the_cadence_is_that_of_the_sdk():
    rows = {row["what"]: row["`ukemi.sdk`"] for row in PAGE.section("Cadence").table()}

    assert rows["width of a bucket"].startswith(f"{REQUEST_BUCKET_S} s")
    assert rows["buckets in a report"].startswith(f"{REQUEST_BUCKETS_RESENT},")
    assert rows["pause between reports while requests come"] == f"{sdk.BUSY_S:g} s"
    assert rows["pause while none come"] == f"{sdk.IDLE_S:g} s"


def test_the_bounds_are_those_of_the_reader():
    meaning = {row["field"].strip("`"): row["meaning"] for heading in STRUCTS for row in PAGE.section(heading).table()}

    assert f"at most {MAX_BUCKETS};" in meaning["buckets"]
    assert f"at most {MAX_ROUTES}." in meaning["routes"]
    assert f"stops at {sdk.MAX_ROUTES} " in meaning["routes"]
    assert f"at most {sdk.MAX_FAILURES}," in meaning["failures_ms"]


def test_the_formula_of_the_bins_is_ours():
    names = {}
    exec(PAGE.snippets("python")[0], names)

    assert all(names["latency_bin"](ms) == latency_bin(ms) for ms in (0.0, 0.1, 0.5, 1.0, 16.0, 999.9, math.e**10))
