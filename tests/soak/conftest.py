"""Options of the slow proofs."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-seconds", type=int, default=600, help="how long each fuzzer runs")
