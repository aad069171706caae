"""`.env.example.sentry` against the backend's settings."""

import io

import pytest
from dotenv import dotenv_values

from backend.config import Settings
from tests.docs.pages import ROOT

TEXT = (ROOT / ".env.example.sentry").read_text("utf-8")
EXAMPLE = dotenv_values(stream=io.StringIO(TEXT), interpolate=False)


def test_the_example_names_exactly_the_settings():
    assert set(EXAMPLE) == set(Settings.model_fields)


def test_the_defaults_are_those_of_the_code(monkeypatch):
    """So whoever copies all of it changes nothing."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name, raising=False)
    shipped = Settings()
    for name, value in EXAMPLE.items():
        monkeypatch.setenv(name, value)
    assert Settings() == shipped
    assert (shipped.SENTRY_TRACES_SAMPLE_RATE, shipped.SENTRY_PROFILES_SAMPLE_RATE) == (0.1, 0.1)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_comment_stands_above_each_setting_or_the_one_before_it(name):
    block = next(part for part in TEXT.split("\n\n") if f"\n{name}=" in f"\n{part}")
    assert block.startswith("#")


def test_the_sample_rates_have_advice_for_each_environment():
    for word in ("development", "staging", "production", "Performance", "Troubleshooting"):
        assert word in TEXT
