"""DSNs: the one line that tells an SDK where to send. Source: develop.sentry.dev/sdk/foundations/transport, read 2026-11."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ukemi.protocol.errors import BadDsn

_HINT = "It looks like https://KEY@host/42; copy it again from the page Projects."
_KEY = re.compile(r"\w{1,64}", re.ASCII)


@dataclass(frozen=True)
class Dsn:
    base_url: str
    """Scheme, host, port and path before `/api/`, without a final slash."""
    public_key: str
    project_id: int


def read_dsn(text: str) -> Dsn:
    """
    Read a DSN.

    Raises:
        BadDsn: says which part is wrong; never repeats the key.
    """
    try:
        url = urlsplit(text.strip())
        port = url.port
    except ValueError:
        raise BadDsn(f"The DSN is not a URL. {_HINT}") from None
    if url.scheme not in ("http", "https") or not url.hostname:
        raise BadDsn(f"The DSN does not begin with http:// or https:// and a host. {_HINT}")
    if not url.username or not _KEY.fullmatch(url.username):
        raise BadDsn(f"The DSN has no key before the @. {_HINT}")
    path, _, project = url.path.rstrip("/").rpartition("/")
    if not project.isascii() or not project.isdigit():
        raise BadDsn(f"The DSN ends in {project[:40]!r}, but a project number must stand there. {_HINT}")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return Dsn(f"{url.scheme}://{host}{f':{port}' if port else ''}{path}", url.username, int(project))


def write_dsn(base_url: str, public_key: str, project_id: int) -> str:
    """The DSN of a key on the collector that is reached at `base_url`."""
    scheme, _, rest = base_url.rstrip("/").partition("://")
    return f"{scheme}://{public_key}@{rest}/{project_id}"
