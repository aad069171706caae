"""
Sends errors through sentry-sdk's own transport and notes which were acknowledged. Run as a script by the tests.

Usage: sender.py DSN COUNT ACKNOWLEDGED_FILE REFUSED_FILE [close]; with `close` each request opens a connection of its own.
"""

import sys
import time
from pathlib import Path

import sentry_sdk
import urllib3
from sentry_sdk.transport import HttpTransport

dsn, count, acknowledged_file, refused_file = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
extra_headers = {"Connection": "close"} if "close" in sys.argv[5:] else {}
acknowledged = Path(acknowledged_file).open("w", buffering=1)  # noqa: SIM115 - open as long as the script runs
refused = Path(refused_file).open("w", buffering=1)  # noqa: SIM115


class NotingTransport(HttpTransport):
    def _send_envelope(self, envelope):
        self.sending = envelope.headers.get("event_id")
        super()._send_envelope(envelope)

    def _request(self, method, endpoint_type, body, headers):
        try:
            response = super()._request(method, endpoint_type, body, {**headers, **extra_headers})
        except urllib3.exceptions.HTTPError as error:
            refused.write(f"{type(error).__name__} {error}\n")
            raise
        if response.status == 200 and self.sending:
            acknowledged.write(self.sending + "\n")
        elif response.status != 200:
            refused.write(f"{response.status}\n")
        return response


sentry_sdk.init(
    dsn,
    transport=NotingTransport,
    default_integrations=False,
    transport_queue_size=count + 10,
    auto_session_tracking=False,
)
for number in range(count):
    try:
        raise ValueError(f"number {number}")  # noqa: TRY301
    except ValueError as error:
        sentry_sdk.capture_exception(error)
    time.sleep(0.0005)
sentry_sdk.flush(timeout=90)
print(count)
