"""The walls: which room may import which. This table is the architecture; a change to it is a decision, not a chore."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"

# Each room sees itself and what stands beside it, by module prefix. The most specific prefix decides.
SEES: dict[str, set[str]] = {
    "ukemi": set(),
    "ukemi.privacy": set(),
    "ukemi.protocol": set(),
    "ukemi.protocol.vocabulary": set(),
    "ukemi.sdk": {"ukemi.privacy", "ukemi.protocol.vocabulary"},
    "ukemi.collector.settings": set(),
    "ukemi.collector.logs": set(),
    "ukemi.collector.plain_log": set(),
    "ukemi.collector.lock": set(),
    "ukemi.collector.bell": set(),
    "ukemi.collector.metrics": set(),
    "ukemi.collector.health": {
        "ukemi.collector.metrics",
        "ukemi.collector.settings",
        "ukemi.collector.core",
        "ukemi.collector.store",
        "ukemi.collector.spool",
    },
    "ukemi.collector.core": {"ukemi.protocol"},
    "ukemi.collector.store": {"ukemi.collector.core", "ukemi.protocol"},
    "ukemi.collector.spool": {"ukemi.collector.core"},
    **{
        f"ukemi.collector.{stage}": {
            "ukemi.privacy",
            "ukemi.protocol",
            "ukemi.collector.metrics",
            "ukemi.collector.settings",
            "ukemi.collector.core",
            "ukemi.collector.store",
            "ukemi.collector.spool",
        }
        for stage in ("ingest", "digest", "alerts", "notify", "web")
    },
    "ukemi.collector.supervisor": {"ukemi.collector.plain_log"},
    **{f"ukemi.collector.{name}": {"ukemi.collector"} for name in ("processes", "http_process", "worker_process")},
    "ukemi.cli": {"ukemi"},
}

# Packages that only one room may touch.
ONLY_IN: dict[str, tuple[str, ...]] = {
    "sqlalchemy": ("ukemi.collector.store",),
    "alembic": ("ukemi.collector.store",),
    "psycopg": ("ukemi.collector.store",),
    "jinja2": ("ukemi.collector.web",),
    "prometheus_client": ("ukemi.collector.metrics",),  # so every metric is declared there
    "httpcore": ("ukemi.collector.notify",),
    "httpx": ("ukemi.cli",),
    "sentry_sdk": ("ukemi.sdk", "ukemi.cli"),
    "starlette": ("ukemi.sdk", "ukemi.collector.web", "ukemi.collector.ingest", "ukemi.collector.http_process"),
    "fastapi": ("ukemi.sdk",),
    "re2": ("ukemi.privacy", "ukemi.sdk"),
    "typer": ("ukemi.cli",),
    "uvicorn": ("ukemi.collector.http_process",),
    "pwdlib": ("ukemi.collector.web",),
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = list(modules())


def imports(module: str, path: Path) -> Iterator[str]:
    """Full names of what a file imports, wherever in the file: `from a import b` counts as a.b."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def is_within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def room_of(module: str) -> str:
    return max((room for room in SEES if is_within(module, room)), key=len)


@pytest.mark.parametrize(("module", "path"), MODULES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_module_imports_only_what_its_room_may_see(module: str, path: Path) -> None:
    room = room_of(module)
    seen = [
        name
        for name in imports(module, path)
        if is_within(name, "ukemi")
        and not is_within(name, room)
        and not any(is_within(name, visible) for visible in SEES[room])
        and name != "ukemi.__version__"
    ]
    assert not seen, f"{module} is in the room {room}, which must not see {seen}"


@pytest.mark.parametrize(("module", "path"), MODULES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_package_stays_in_its_room(module: str, path: Path) -> None:
    strays = [
        name
        for name in imports(module, path)
        for package, rooms in ONLY_IN.items()
        if is_within(name, package) and not any(is_within(module, room) for room in rooms)
    ]
    assert not strays, f"{module} must not import {strays}"


def test_every_module_is_in_a_room() -> None:
    """A new folder needs a row in the table above, lest it be checked against nothing."""
    homeless = [module for module, _ in modules() if room_of(module) == "ukemi"]
    assert homeless == ["ukemi", "ukemi.collector"]


def test_the_checker_finds_a_forbidden_import(tmp_path: Path) -> None:
    """The checker itself is checked: relative, nested and aliased imports count."""
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from ..store import schema as s\n    import ukemi.collector.web.app\n")
    found = set(imports("ukemi.collector.alerts.x", file))
    assert found == {"ukemi.collector.store.schema", "ukemi.collector.web.app"}
