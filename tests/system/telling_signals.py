"""
An app that tells secrets by every newer kind of signal: logs, metrics, spans that leave one by one. Run by the tests.

DSN and SECRET stand in the environment.
"""

import logging
import os

import sentry_sdk
from sentry_sdk import metrics, traces

import ukemi.sdk

secret = os.environ["SECRET"]
ukemi.sdk.init(
    dsn=os.environ["DSN"],
    release="shop@1.0",
    pii_key="a key of this test",
    enable_logs=True,
    traces_sample_rate=1.0,
    trace_lifecycle="stream",
)
told = {"password": secret, "url": f"https://shop.example/?token={secret}", "db": f"postgres://shop:{secret}@db/shop"}
nested = {"headers": {"authorization": f"Bearer {secret}"}, "argv": ["mysql", f"-p{secret}"]}

with traces.start_span("checkout", attributes={"order": 7, **told}) as span:
    span.set_attribute("http.request.header.x-api-key", secret)
    span.set_attribute("nested", str(nested))
    with traces.start_span(f"SELECT 1 WHERE password = '{secret}'"):
        pass
    sentry_sdk.logger.info(f"signed in with password={secret}", attributes={"order": 8, **told})
    sentry_sdk.logger.warning("the token is {token}, sent to {url}", token=secret, url=told["url"])
    logging.getLogger("shop").warning("password: %s, body %s", secret, {"client_secret": secret, "order": 9})
    metrics.count("orders", 1, attributes={"order": 10, **told})
    metrics.distribution("basket", 12.5, unit="euro", attributes={"api_key": secret, "note": f"pwd={secret}"})
    metrics.gauge("open", 3, attributes={"cookie": f"session={secret}"})
    sentry_sdk.capture_message(f"over, secret={secret}")
sentry_sdk.flush(10)
sentry_sdk.get_client().close(10)
