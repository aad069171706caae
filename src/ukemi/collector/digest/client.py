"""What the User-Agent says of the person's browser and operating system."""

from functools import cache, lru_cache
from typing import Any

from ua_parser import Parser
from ua_parser.loaders import load_lazy_builtins
from ua_parser.re2 import Resolver

from ukemi.collector.spool.item import ItemContext
from ukemi.protocol.event import Tree, read_request

_MAX_USER_AGENT = 512


def describe_client(tree: Tree, context: ItemContext, key_kind: str) -> dict[str, Any]:
    """
    The event's contexts, with `browser`, `client_os` and `device` filled in where they are missing.

    A backend's event carries the User-Agent of its request; a page's own event came with it.
    """
    contexts = tree.get("contexts")
    known: dict[str, Any] = dict(contexts) if isinstance(contexts, dict) else {}
    user_agent = read_request(tree).header("user-agent")
    if not user_agent and key_kind == "browser":
        user_agent = context.user_agent
    if user_agent:
        for name, content in _parse(user_agent[:_MAX_USER_AGENT]).items():
            known.setdefault(name, content)
    return known


@lru_cache(maxsize=4096)
def _parse(user_agent: str) -> dict[str, dict[str, str]]:
    found = _parser().parse(user_agent)
    contexts = {"browser": _context(found.user_agent), "client_os": _context(found.os), "device": _device(found.device)}
    return {name: content for name, content in contexts.items() if content}


@cache
def _parser() -> Parser:
    """On re2: linear in what a stranger sends, and a third of the memory of the parser's own choice."""
    return Parser(Resolver(load_lazy_builtins()))


def _context(found: Any) -> dict[str, str]:
    if found is None or found.family == "Other":
        return {}
    version = ".".join(part for part in (found.major, found.minor) if part)
    return {"name": found.family, **({"version": version} if version else {})}


def _device(found: Any) -> dict[str, str]:
    if found is None or found.family == "Other":
        return {}
    named = {"family": found.family, "brand": found.brand, "model": found.model}
    return {name: text for name, text in named.items() if text}
