"""A headless Chromium: the machine's own, else the one that `make assets` unpacked. For the demo and the browser tests."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Playwright

UNPACKED = Path(__file__).parent.parent / ".chromium"
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>{fonts}</dir>
</fontconfig>
"""


def find_chromium() -> Path | None:
    """The program to start, or None when the machine has no Chromium and none was unpacked."""
    own = shutil.which("chromium") or shutil.which("google-chrome")
    if own:
        return Path(own)
    unpacked = UNPACKED / "chromium"
    return unpacked if unpacked.exists() else None


def launch(playwright: Playwright) -> Browser:
    """
    Start the Chromium that was found, without a window.

    Raises:
        FileNotFoundError: there is none.
    """
    program = find_chromium()
    if program is None:
        raise FileNotFoundError(
            "No Chromium: install one (chromium or google-chrome on the PATH), or run `make assets`."
        )
    environment: dict[str, str | float | bool] = dict(os.environ)
    if program.parent == UNPACKED:
        # It brings the libraries and the one font family that a small machine may lack; those of the machine stay.
        libraries = [str(UNPACKED), str(UNPACKED / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, libraries))
        fonts = UNPACKED / "fontconfig.conf"
        fonts.write_text(_FONTS.format(fonts=UNPACKED / "fonts"), "utf-8")
        environment["FONTCONFIG_FILE"] = str(fonts)
    # A container's /dev/shm is often too small for Chromium, and no machine that runs this has a GPU to spare.
    arguments = ["--disable-gpu", "--disable-dev-shm-usage"]
    return playwright.chromium.launch(executable_path=program, args=arguments, env=environment)
