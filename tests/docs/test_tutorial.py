"""Who follows the tutorial gets to a delivered alert."""

import sysconfig

from tests.docs import tutorial


def test_a_reader_gets_to_two_delivered_alerts(tmp_path):
    """As the page says, but for the download: the packages of these tests count as installed. `make soak` downloads them."""

    def lend_packages(venv):
        [site] = venv.glob("lib/python*/site-packages")
        (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")

    messages = tutorial.follow(tmp_path, lend_packages)
    assert any("critical path" in message for message in messages)
    assert any("new error type" in message for message in messages)
    assert all("the bank does not answer" in message for message in messages)
