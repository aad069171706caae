"""
The inbox: one local server that plays Slack, PagerDuty, a mailbox and a webhook receiver, and a page that lists what they got.

It checks what the real ones check: Slack's message must have text, PagerDuty's event a routing key and an action, the
webhook a valid signature of Standard Webhooks.
"""

import re
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from html import escape
from typing import Any

from pydantic import BaseModel
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

ROUTING_KEY = "0123456789abcdef0123456789abcdef"


class Received(BaseModel):
    """One message that arrived, in the words that all of them have."""

    at_s: float
    """Seconds since the epoch."""
    channel: str
    """slack | pagerduty | email | webhook"""
    state: str
    """opened | upgraded | closed"""
    severity: str
    """warning | high | critical; "" of an end."""
    title: str
    detail: str
    rule: str
    """"" where the channel is not told: PagerDuty's resolve names only the dedup key."""
    key: str
    """PagerDuty's dedup key, the webhook's incident, the thread of an e-mail; "" for Slack."""


class Inbox:
    def __init__(self, webhook_secret: str) -> None:
        self.received: list[Received] = []
        self._webhook = Webhook(webhook_secret)

    async def slack(self, request: Request) -> Response:
        message = await request.json()
        if not message.get("text"):
            return Response("no_text", 400)
        blocks = message.get("blocks", [])
        section = next((b["text"]["text"] for b in blocks if b["type"] == "section"), "")
        context = next((b["elements"][0]["text"] for b in blocks if b["type"] == "context"), "")
        # The edge of the row has the colour that Slack shows as a sign before the text.
        title = _plain(message["text"]).partition(" ")[2]
        state, severity = _state(title)
        self._keep("slack", state, severity, title, _plain(section), context.split(" · ")[0], "")
        return Response("ok")

    async def pagerduty(self, request: Request) -> Response:
        event = await request.json()
        if event.get("routing_key") != ROUTING_KEY or event.get("event_action") not in ("trigger", "resolve"):
            return JSONResponse({"status": "invalid event", "message": "Event object is invalid"}, 400)
        payload = event.get("payload", {})
        key = event.get("dedup_key", "")
        opened = next((one for one in self.received if one.channel == "pagerduty" and one.key == key), None)
        state = "closed" if event["event_action"] == "resolve" else "upgraded" if opened else "opened"
        self._keep(
            "pagerduty",
            state,
            _PAGERDUTY.get(payload.get("severity"), ""),
            payload.get("summary") or (opened.title if opened else ""),
            payload.get("custom_details", {}).get("because", ""),
            payload.get("class") or (opened.rule if opened else ""),
            key,
        )
        return JSONResponse({"status": "success", "dedup_key": key}, 202)

    async def webhook(self, request: Request) -> Response:
        try:
            body: Any = self._webhook.verify(await request.body(), dict(request.headers))
        except WebhookVerificationError:
            return Response("wrong signature", 401)
        data = body["data"]
        state = body["type"].removeprefix("incident.")
        self._keep("webhook", state, data["severity"], data["title"], data["because"], data["rule"], data["incident"])
        return Response(status_code=204)

    def email(self, message: EmailMessage) -> None:
        body = message.get_body(("plain",))
        text = body.get_content() if body else ""
        title = str(message["Subject"]).removeprefix("Re: ").partition("] ")[2] or str(message["Subject"])
        rule = next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("Rule:")), "")
        thread = str(message["References"] or message["Message-ID"]).split()[0]
        self._keep("email", *_state(title), title, text, rule, thread)

    async def list(self, _request: Request) -> Response:
        return JSONResponse([one.model_dump() for one in self.received])

    async def page(self, _request: Request) -> Response:
        return HTMLResponse(
            _PAGE.replace("<!-- rows -->", "".join(_row(one) for one in reversed(self.received)) or _EMPTY)
        )

    def _keep(self, channel: str, state: str, severity: str, title: str, detail: str, rule: str, key: str) -> None:
        self.received.append(
            Received(
                at_s=time.time(),
                channel=channel,
                state=state,
                severity=severity,
                title=title,
                detail=detail,
                rule=rule,
                key=key,
            )
        )


def create_app(inbox: Inbox) -> Starlette:
    return Starlette(
        routes=[
            Route("/", inbox.page),
            Route("/received.json", inbox.list),
            Route("/slack", inbox.slack, methods=["POST"]),
            Route("/pagerduty", inbox.pagerduty, methods=["POST"]),
            Route("/webhook", inbox.webhook, methods=["POST"]),
        ]
    )


_PAGERDUTY = {"critical": "critical", "error": "high", "warning": "warning"}


def _state(headline: str) -> tuple[str, str]:
    """State and severity of a headline: `now critical: …`, `resolved: …`, `critical: …`."""
    word = headline.partition(":")[0].split(",")[0].strip()
    if word == "resolved":
        return "closed", ""
    severity = word.removeprefix("now ")
    return ("upgraded" if severity != word else "opened") if severity in _PAGERDUTY.values() else word, severity


def _plain(text: str) -> str:
    """Slack's markup as text."""
    text = re.sub(r"^<https?://[^>]*>$", "", text, flags=re.MULTILINE)  # a line that is only the button's twin
    text = re.sub(r"<https?://[^|>]+\|([^>]*)>", r"\1", text)
    for safe, raw in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"), ("\u200b", ""), ("*", "")):
        text = text.replace(safe, raw)
    return text


def _row(one: Received) -> str:
    at = datetime.fromtimestamp(one.at_s, UTC).strftime("%H:%M:%S")
    lines = [line for line in one.detail.splitlines() if line]
    return (
        f'<li class="{one.state}"><time>{at}</time><span class="channel {one.channel}">{one.channel}</span>'
        f"<div><strong>{escape(one.title)}</strong><p>{escape(' · '.join(lines))}</p>"
        f"<small>{one.state}{' · ' + escape(one.rule) if one.rule else ''}</small></div></li>"
    )


_EMPTY = "<li><div><strong>Nothing yet</strong><p>Alerts arrive here within seconds of their cause.</p></div></li>"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta http-equiv="refresh" content="3"><title>Inbox</title>
<style>
:root { color-scheme: light dark; --ink: light-dark(#1c1d20, #e8e7e3); --dim: light-dark(#5d6068, #9da1aa); --line: light-dark(#dedbd4, #33373e); }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; background: light-dark(#f6f5f2, #15171a); color: var(--ink); }
main { max-width: 860px; margin: 0 auto; padding: 1.25rem; }
h1 { font-size: 1.4rem; margin: 0; } header p { color: var(--dim); margin: .2rem 0 1rem; }
ul { list-style: none; margin: 0; padding: 0; background: light-dark(#fff, #1d2024); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
li { display: grid; grid-template-columns: 74px 92px minmax(0, 1fr); gap: .3rem .9rem; padding: .7rem 1rem; border-left: 4px solid transparent; align-items: baseline; }
li + li { border-top: 1px solid var(--line); }
li.opened, li.upgraded { border-left-color: light-dark(#b3261e, #ff8077); } li.closed { border-left-color: light-dark(#23703b, #7dcf93); }
time { font: .82rem ui-monospace, monospace; color: var(--dim); } p { margin: .1rem 0; color: var(--dim); } strong { font-weight: 600; overflow-wrap: anywhere; } p { overflow-wrap: anywhere; }
small { color: var(--dim); } .channel { font-size: .8rem; font-weight: 600; padding: .05rem .55rem; border-radius: 99px; text-align: center; border: 1px solid var(--line); }
.slack { color: light-dark(#611f69, #d6a5dc); } .pagerduty { color: light-dark(#04691f, #7dcf93); } .email { color: light-dark(#855300, #f0b350); } .webhook { color: light-dark(#1c5d99, #7fb8ee); }
@media (max-width: 560px) { main { padding: .9rem; } li { grid-template-columns: auto 1fr; } li > div { grid-column: 1 / -1; } .channel { justify-self: start; } }
</style></head>
<body><main><header><h1>Inbox</h1><p>What Slack, PagerDuty, the mailbox and the webhook would have received, newest first.</p></header>
<ul><!-- rows --></ul></main></body></html>
"""
