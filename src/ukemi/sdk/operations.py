"""Breadcrumbs for what an app does all day, in one form, so that the way to an error reads the same everywhere."""

from typing import Any

from ukemi.sdk.context import add_breadcrumb


def track_business_operation(
    operation: str, entity: str | None = None, entity_id: str | int | None = None, *, success: bool = True, **data: Any
) -> None:
    """Something that the business would call by a name: `membership renewed`."""
    facts = {"entity": entity, "entity_id": entity_id, "success": success, **data}
    add_breadcrumb("business", operation, _known(facts), "info" if success else "warning")


def track_external_api_call(
    service: str, endpoint: str, method: str, status_code: int | None = None, duration_ms: float | None = None
) -> None:
    """A call to somebody else's service."""
    is_failed = status_code is not None and status_code >= 400
    facts = {"service": service, "status_code": status_code, "duration_ms": duration_ms}
    add_breadcrumb("http", f"{method} {service}{endpoint}", _known(facts), "warning" if is_failed else "info")


def track_database_operation(
    operation: str, table: str, duration_ms: float | None = None, rows: int | None = None
) -> None:
    """A query, by what it does and where; never its parameters."""
    add_breadcrumb("query", f"{operation} {table}", _known({"duration_ms": duration_ms, "rows": rows}))


def track_cache_operation(operation: str, key: str, *, hit: bool | None = None) -> None:
    """A look into the cache, or a write."""
    add_breadcrumb("cache", f"{operation} {key}", _known({"hit": hit}))


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}
