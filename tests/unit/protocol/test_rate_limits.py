"""The header that tells an SDK to hold back."""

import pytest

from ukemi.protocol.rate_limits import write_rate_limits


def test_header_has_the_form_that_sdks_read():
    assert write_rate_limits(60, ["transaction", "error", "error"], "project_minute") == (
        "60:error;transaction:project:project_minute"
    )


def test_limit_without_categories_is_refused():
    """It would silence everything, loss reports included."""
    with pytest.raises(ValueError, match="silence everything"):
        write_rate_limits(60, [], "project_minute")
