"""What a user's app gets from `pip install ukemi`: the SDK layer, and no server."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SERVER_PACKAGES = ("starlette", "fastapi", "uvicorn", "sqlalchemy", "msgspec", "httpx", "jinja2", "typer", "pydantic")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_bare_wheel_imports_the_sdk_and_no_server_package(wheel, tmp_path):
    """A fresh environment with the wheel and, of everything installed here, only the SDK's own dependencies."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True,
        capture_output=True,
    )
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    here = Path(next(path for path in sys.path if path.endswith("site-packages")))
    for name in ("sentry_sdk", "re2", "_re2.*.so", "jwt", "urllib3", "certifi"):
        for source in [*here.glob(name), *here.glob(name + ".py")]:
            (Path(site) / source.name).symlink_to(source)
    loaded = subprocess.run(
        [python, "-c", "import sys, ukemi.sdk; print(*sys.modules)"], capture_output=True, text=True, check=False
    )
    assert loaded.returncode == 0, loaded.stderr
    modules = loaded.stdout.split()
    assert [name for name in modules if name.split(".")[0] in SERVER_PACKAGES] == []
    assert [name for name in modules if name.startswith(("ukemi.collector", "ukemi.cli"))] == []
    command = subprocess.run([environment / "bin" / "ukemi"], capture_output=True, text=True, check=False)
    assert "pip install 'ukemi[collector]'" in command.stderr


def test_the_wheel_carries_what_the_pages_need(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("static/vendor/htmx.min.js") for name in names)
    assert any("migrations/versions/" in name for name in names)
    assert any(name.endswith(".toml") for name in names)
    assert not any("__pycache__" in name or name.startswith(("tests/", "backend/", "demo/")) for name in names)
