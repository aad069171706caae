"""Options of the slow proofs."""

import pytest

from tests.system.conftest import free_port, start_collector  # noqa: F401 - fixtures


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-seconds", type=int, default=600, help="how long each fuzzer runs")
