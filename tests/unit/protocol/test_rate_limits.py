"""The header that tells an SDK to hold back."""

import pytest
from sentry_sdk.transport import _parse_rate_limits

from ukemi.protocol.rate_limits import RateLimit, write_rate_limits

LIMITS = [
    RateLimit(60, "transaction", "project", "project_minute"),
    RateLimit(60, "error", "project", "project_minute"),
    RateLimit(60, "error", "project", "project_minute"),
    RateLimit(30, "session", "key", "key_minute"),
]


def test_header_has_the_form_that_sdks_read():
    assert write_rate_limits(LIMITS) == ("30:session:key:key_minute, 60:error;transaction:project:project_minute")


def test_sentry_sdk_understands_the_header():
    assert {category for category, _ in _parse_rate_limits(write_rate_limits(LIMITS))} == {
        "transaction",
        "error",
        "session",
    }


@pytest.mark.parametrize("limits", [[], [RateLimit(60, "", "project", "project_minute")]])
def test_limit_without_categories_is_refused(limits):
    """It would silence everything, loss reports included."""
    with pytest.raises(ValueError, match="silence everything"):
        write_rate_limits(limits)
