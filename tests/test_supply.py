"""What is promised of versions is what is tested, and what is installed is what was looked at."""

import re
import tomllib

import pytest

from tests.docs.pages import ROOT
from tests.soak.test_oldest_sentry_sdk import OLDEST

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCKS = ["requirements/dev.txt", "requirements/collector.txt", "backend/requirements.txt"]
ABANDONED = {"bcrypt", "crypt", "ecdsa", "passlib", "prometheus-fastapi-instrumentator", "python-jose", "raven"}
"""No longer kept, or what those need: for tokens there is pyjwt, for passwords pwdlib with argon2."""


def names(text: str) -> set[str]:
    found = re.findall(
        r"^\s*([A-Za-z0-9][\w.-]*)", re.sub(r"#.*|--hash=\S+|\\\\$", "", text, flags=re.MULTILINE), re.MULTILINE
    )
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


@pytest.mark.parametrize("lock", [*LOCKS, "backend/requirements.in"])
def test_nothing_that_nobody_keeps_is_installed(lock):
    installed = names((ROOT / lock).read_text("utf-8"))
    assert {"fastapi", "pyjwt"} & installed
    assert installed & ABANDONED == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_each_package_is_installed_in_one_version(lock):
    lines = [line for line in (ROOT / lock).read_text("utf-8").splitlines() if re.match(r"[A-Za-z0-9]", line)]
    assert len(lines) > 10
    assert [line for line in lines if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", line)] == []


@pytest.mark.parametrize("lock", LOCKS[:2])
def test_each_package_is_the_one_that_was_locked(lock):
    parts = re.split(r"^(?=[A-Za-z0-9])", (ROOT / lock).read_text("utf-8"), flags=re.MULTILINE)[1:]
    assert [part.splitlines()[0] for part in parts if "--hash=sha256:" not in part] == []


def test_the_oldest_python_gets_security_fixes():
    """Until October 2027: https://devguide.python.org/versions, read 2026-11."""
    assert PROJECT["requires-python"] == ">=3.11"


def test_the_oldest_sentry_sdk_that_is_promised_is_the_one_that_is_tested():
    [bound] = [one for one in PROJECT["dependencies"] if one.startswith("sentry-sdk")]
    assert f"{bound.partition('>=')[2]}.0" == OLDEST
