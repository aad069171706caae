"""The backend as somebody gets it who has nothing: a fresh clone, an environment of its requirements alone, its own tests."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import Page

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]  # it downloads
ROOT = Path(__file__).parents[2]
GUIDE = Page.read("docs/observability/error-tracking-guide.md")
CLASSES = {
    "TestInitialization",
    "TestPIIFiltering",
    "TestUserContext",
    "TestErrorCapture",
    "TestBreadcrumbs",
    "TestDomainHelpers",
    "TestSampling",
    "TestMiddleware",
    "TestIntegration",
}


def test_the_backends_own_tests_pass_in_an_environment_of_its_requirements_alone(tmp_path):
    """With the commands of the guide. The working tree's last commit is what is cloned."""
    install, *_, test = GUIDE.snippets("sh")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    log = subprocess.run(
        ["bash", "-ec", f"{install}\ncd ..\n{test}"],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert log.returncode == 0, log.stdout
    print(log.stdout[-200:])
    assert set(re.findall(r"::(Test\w+)::\w+(?:\[.*?\])? PASSED", log.stdout)) == CLASSES
    assert not re.search(r"SKIPPED|XFAIL|xpassed", log.stdout)
