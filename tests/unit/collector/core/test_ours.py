"""Which frames are the app's own code, where the client does not say."""

import pytest

from ukemi.collector.core.ours import is_ours
from ukemi.protocol.event import Frame

INSTALLED = [
    "/srv/venv/lib/python3.12/site-packages/httpx/_client.py",
    "/usr/lib/python3/dist-packages/requests/api.py",
    "/usr/local/lib/python3.12/json/decoder.py",
    "/Library/Frameworks/Python.framework/Versions/3.12/lib/python3.12/asyncio/runners.py",
    "/opt/pythons/cpython-3.12.7-linux-x86_64-gnu/lib/python3.12/threading.py",
    "C:\\Python312\\Lib\\json\\decoder.py",
    "C:\\shop\\venv\\Lib\\site-packages\\httpx\\_client.py",
    "<frozen importlib._bootstrap>",
    "/srv/web/node_modules/express/lib/router.js",
    "node:internal/process/task_queues",
    "chrome-extension://abcdef/content.js",
]
OURS = [
    "/srv/shop/checkout.py",
    "/app/main.py",
    "/srv/python3/shop/lib/pay.py",
    "/home/jo/lib/shop.py",
    "C:\\shop\\lib\\pay.py",
    "/srv/web/internal/pay.js",
    "https://shop.example/static/app.js",
    "<string>",
    "",
]


@pytest.mark.parametrize("path", INSTALLED)
def test_what_package_managers_and_the_language_installed_is_not_ours(path: str) -> None:
    assert not is_ours(Frame(filename="decoder.py", abs_path=path))
    assert not is_ours(Frame(filename=path))


@pytest.mark.parametrize("path", OURS)
def test_all_else_is_ours(path: str) -> None:
    assert is_ours(Frame(filename="pay.py", abs_path=path))


@pytest.mark.parametrize("path", [INSTALLED[0], OURS[0]])
@pytest.mark.parametrize("in_app", [True, False])
def test_the_client_knows_better(path: str, in_app: bool) -> None:
    assert is_ours(Frame(abs_path=path, in_app=in_app)) is in_app
