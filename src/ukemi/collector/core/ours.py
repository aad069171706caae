"""
Which frames of a stack are the app's own code. Part of fingerprint version 1, so frozen with it once that is released.

The client knows best, but often says nothing: sentry-sdk leaves a frame unmarked that lies in neither its own project root
(the folder that the app was started in) nor site-packages, so that a service which systemd starts in `/` marks none.
"""

import re
from typing import Final

from ukemi.protocol.event import Frame

_INSTALLED: Final = re.compile(
    r"[\\/](?:site|dist)-packages[\\/]"
    r"|[\\/]lib(?:32|64)?[\\/](?:python|pypy)\d[\d.]*[\\/]|[\\/]Python\d+[\\/]Lib[\\/]|^<frozen "  # the standard library
    r"|(?:^|[\\/])node_modules[\\/]|^node:|^internal[\\/]"
    r"|^[a-z-]+-extension:",
    re.IGNORECASE,
)
"""Where package managers and languages themselves put code. Case does not count: Windows."""


def is_ours(frame: Frame) -> bool:
    """What the client said; where it said nothing, whatever does not lie where packages or the language lie."""
    if frame.in_app is not None:
        return frame.in_app
    return not (_INSTALLED.search(frame.abs_path) or _INSTALLED.search(frame.filename))
