"""
What pytest loads where ukemi is installed: the fixture `captured`.

It stands here and not beside `ukemi.sdk.testing`, since `ukemi.sdk` loads sentry-sdk, and a project whose tests do not
ask for the fixture must not notice it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ukemi.sdk.testing import Captured


@pytest.fixture
def captured() -> Iterator["Captured"]:
    """What the app under test would have sent to its error tracking. Nothing is sent."""
    from ukemi.sdk.testing import capturing

    with capturing() as captured:
        yield captured
