"""What every page needs, and the one way a page answers: as HTML, or as the same struct in JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from ukemi.collector.core.clock import MINUTE_US, Clock
from ukemi.collector.core.rule import Rule, Severity
from ukemi.collector.core.rule_words import sentence, steps_in_words
from ukemi.collector.settings import Settings
from ukemi.collector.store.accounts import Account
from ukemi.collector.store.database import Database
from ukemi.collector.web import show
from ukemi.collector.web.security import Throttle


@dataclass(frozen=True)
class Web:
    """Handed to `create_app`, kept in `app.state.web`."""

    database: Database
    settings: Settings
    clock: Clock
    rules: Sequence[Rule]
    channels: Sequence[str]
    """Names of the channels that are configured."""
    untold: Sequence[Severity] = ()
    """Severities whose incidents reach none of them, though the rules name some."""
    sign_in_tries: Throttle = field(default_factory=lambda: Throttle(limit=10, window_us=5 * MINUTE_US))
    """By address of the network, and by e-mail address."""


_templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
_templates.env.autoescape = True  # whatever a template's file is called: all texts are strangers'
_templates.env.filters |= {name: getattr(show, name) for name in show.FILTERS}
_templates.env.filters |= {"rule_sentence": sentence, "rule_steps": steps_in_words}


def web_of(request: Request) -> Web:
    return cast("Web", request.app.state.web)


def account_of(request: Request) -> Account:
    """Who is signed in. Only for pages behind the sign-in."""
    return cast("Account", request.state.account)


def respond(request: Request, template: str, page: msgspec.Struct, status: int = 200) -> Response:
    """The page, or its JSON twin when the address ends in `.json`."""
    if request.url.path.endswith(".json"):
        return Response(msgspec.json.encode(page), status, media_type="application/json")
    web = web_of(request)
    context: dict[str, Any] = {
        "page": page,
        "now_us": web.clock.now_us(),
        "account": getattr(request.state, "account", None),
        "nobody_told": not web.channels,
        "untold": web.untold,
        "path": request.url.path,
    }
    return _templates.TemplateResponse(request, template, context, status)
