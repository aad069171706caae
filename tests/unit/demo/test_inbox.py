"""What the inbox shows of a Slack message is what Slack would show."""

import asyncio

import httpx

from demo.inbox import Inbox, create_app


def test_links_are_shown_by_their_words():
    section = "*Requests fail*\nLikely cause: <http://127.0.0.1:8790/projects/1/issues/a|SHOP-1: ValueError: &lt;x&gt;>\n<http://127.0.0.1:8790/projects/1|Open>"
    message = {"text": "! now", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": section}}]}
    inbox = Inbox("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    async def post() -> str:
        transport = httpx.ASGITransport(create_app(inbox))
        async with httpx.AsyncClient(transport=transport, base_url="http://inbox") as client:
            assert (await client.post("/slack", json=message)).status_code == 200
            return (await client.get("/")).text

    page = asyncio.run(post())
    assert inbox.received[0].detail.split("\n")[:2] == ["Requests fail", "Likely cause: SHOP-1: ValueError: <x>"]
    assert "SHOP-1: ValueError: &lt;x&gt;</p>" in page
    assert "http://127.0.0.1:8790" not in page
