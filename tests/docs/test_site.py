"""The documentation as a site: what `make docs` does."""

import subprocess
import sys

from tests.docs.pages import PAGES, ROOT


def test_the_site_is_built_without_a_warning_and_has_every_page(tmp_path):
    [recipe] = [line for line in (ROOT / "Makefile").read_text("utf-8").splitlines() if "sphinx-build" in line]
    arguments = recipe.split("sphinx-build ")[1].replace("build/docs", str(tmp_path)).replace("$(ARGS)", "").split()
    command = [sys.executable, "-m", "sphinx", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for page in (path.relative_to(ROOT / "docs") for path in PAGES if (ROOT / "docs") in path.parents):
        built = tmp_path / page.with_suffix("") / "index.html"
        assert built.exists(), page
    assert "README/" in (tmp_path / "index.html").read_text("utf-8")
    assert list(tmp_path.glob("_images/declined.png"))
