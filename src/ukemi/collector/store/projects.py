"""Projects and their client keys."""

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.fingerprint import CURRENT
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx
from ukemi.collector.store.errors import NameTaken, NotFound


class Project(msgspec.Struct, frozen=True):
    id: int
    name: str
    slug: str
    """Prefix of its issues' short names: the `wwmaa` of WWMAA-12."""
    created_us: int
    keep_errors_days: int
    keep_performance_days: int
    resolve_after_hours: int = 0
    """Issues of which nothing is seen for so long are resolved; 0: never."""
    grouping_version: int = CURRENT
    """Of fingerprints."""
    previous_grouping_version: int | None = None
    """The one before it, whose fingerprints still find their issues."""


class ClientKey(msgspec.Struct, frozen=True):
    project_id: int
    public_key: str
    """32 hex digits."""
    kind: str
    """server | browser"""
    is_enabled: bool
    created_us: int
    limits: dict[str, int] = {}
    """Items of a category accepted per minute from this key, beside those of its project."""


OWN: Final = 0
"""Number of the project that stands for ukemi itself. No DSN can name it."""
_PROJECT = [schema.project.c[name] for name in Project.__struct_fields__]
_KEY = [schema.client_key.c[name] for name in ClientKey.__struct_fields__]


def create(tx: Tx, name: str, now_us: int, keep_errors_days: int, keep_performance_days: int) -> Project:
    """
    Make a project. It has no keys yet.

    Raises:
        NameTaken: a project of this name, or with the same short name, exists.
    """
    name = name.strip()
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24] or "project"
    taken = sa.or_(schema.project.c.name == name, schema.project.c.slug == slug)
    if tx.execute(sa.select(schema.project.c.id).where(taken)).first():
        raise NameTaken(
            f"There is a project called {name!r} (or with the short name {slug!r}) already. Choose another name."
        )
    row = {
        "name": name,
        "slug": slug,
        "created_us": now_us,
        "keep_errors_days": keep_errors_days,
        "keep_performance_days": keep_performance_days,
        "grouping_version": CURRENT,
    }
    project_id = tx.execute(sa.insert(schema.project).values(row).returning(schema.project.c.id)).scalar_one()
    return Project(id=project_id, **row)  # type: ignore[arg-type]


def list_projects(tx: Tx) -> list[Project]:
    """All projects, by number; not the one that stands for ukemi itself."""
    rows = tx.execute(sa.select(*_PROJECT).where(schema.project.c.id != OWN).order_by(schema.project.c.id))
    return [Project(**row) for row in rows.mappings()]


def get(tx: Tx, project_id: int) -> Project:
    """
    Raises:
        NotFound: there is no such project.
    """
    row = tx.execute(sa.select(*_PROJECT).where(schema.project.c.id == project_id)).mappings().first()
    if row is None:
        raise NotFound(f"There is no project {project_id}.")
    return Project(**row)


def change(
    tx: Tx,
    project_id: int,
    *,
    name: str | None = None,
    keep_errors_days: int | None = None,
    keep_performance_days: int | None = None,
    resolve_after_hours: int | None = None,
    grouping_version: int | None = None,
) -> Project:
    """
    Change what is given and return the project as it is now. The short name stays: people know issues by it.

    Raises:
        NotFound: there is no such project.
        NameTaken: another project has this name.
    """
    table = schema.project
    given = {"name": name and name.strip(), "keep_errors_days": keep_errors_days}
    given |= {"keep_performance_days": keep_performance_days, "resolve_after_hours": resolve_after_hours}
    values: dict[str, object] = {key: value for key, value in given.items() if value is not None}
    if grouping_version is not None:
        was = sa.case((table.c.grouping_version != grouping_version, table.c.grouping_version))
        values |= {"grouping_version": grouping_version, "previous_grouping_version": was}
    if values:
        try:
            with tx.begin_nested():
                tx.execute(sa.update(table).where(table.c.id == project_id).values(values))
        except sa.exc.IntegrityError as error:
            raise NameTaken(f"Another project is called {name!r}. Choose another name.") from error
    row = tx.execute(sa.select(*_PROJECT).where(table.c.id == project_id)).mappings().first()
    if row is None:
        raise NotFound(f"There is no project {project_id}. See: ukemi project list")
    return Project(**row)


def own(tx: Tx) -> list[Project]:
    """The project that stands for ukemi itself, once there was something to say about it."""
    rows = tx.execute(sa.select(*_PROJECT).where(schema.project.c.id == OWN))
    return [Project(**row) for row in rows.mappings()]


def ensure_own(tx: Tx, now_us: int) -> int:
    """The number of the project under which incidents about ukemi itself and tests of channels stand; it is made when it is missing."""
    if not own(tx):
        row = Project(OWN, "ukemi itself", "ukemi-itself", now_us, keep_errors_days=90, keep_performance_days=30)
        tx.execute(sa.insert(schema.project), [msgspec.structs.asdict(row)])
    return OWN


def create_key(tx: Tx, project_id: int, kind: str, now_us: int) -> ClientKey:
    """
    Make an enabled key.

    Raises:
        NotFound: there is no such project.
    """
    if not tx.execute(sa.select(schema.project.c.id).where(schema.project.c.id == project_id)).first():
        raise NotFound(f"There is no project {project_id}. See: ukemi project list")
    key = ClientKey(project_id, secrets.token_hex(16), kind, True, now_us)
    row = msgspec.structs.asdict(key) | {"limits": "{}"}
    tx.execute(sa.insert(schema.client_key).values(row))
    return key


def keys(tx: Tx, project_id: int | None = None) -> list[ClientKey]:
    """Keys of one project or of all, oldest first."""
    query = sa.select(*_KEY).order_by(
        schema.client_key.c.project_id, schema.client_key.c.created_us, schema.client_key.c.kind.desc()
    )
    if project_id is not None:
        query = query.where(schema.client_key.c.project_id == project_id)
    return [_key(row) for row in tx.execute(query).mappings()]


def key_by_public(tx: Tx, public_key: str) -> ClientKey | None:
    row = tx.execute(sa.select(*_KEY).where(schema.client_key.c.public_key == public_key)).mappings().first()
    return _key(row) if row else None


def disable_key(tx: Tx, project_id: int, public_key: str) -> None:
    """
    Raises:
        NotFound: the project has no such key.
    """
    table = schema.client_key
    mine = sa.and_(table.c.project_id == project_id, table.c.public_key == public_key)
    if not tx.execute(sa.update(table).where(mine).values(is_enabled=False)).rowcount:
        raise NotFound(f"Project {project_id} has no such key. See: ukemi key list {project_id}")


def limit_key(tx: Tx, project_id: int, public_key: str, category: str, per_minute: int | None) -> ClientKey:
    """
    Let a key have only so many items of a category accepted per minute; None lifts the limit.

    Raises:
        NotFound: the project has no such key.
    """
    key = key_by_public(tx, public_key)
    if key is None or key.project_id != project_id:
        raise NotFound(f"Project {project_id} has no such key. See: ukemi key list {project_id}")
    limits = {name: count for name, count in key.limits.items() if name != category}
    if per_minute is not None:
        limits[category] = per_minute
    table = schema.client_key
    mine = sa.and_(table.c.project_id == project_id, table.c.public_key == public_key)
    tx.execute(sa.update(table).where(mine).values(limits=msgspec.json.encode(limits).decode()))
    return msgspec.structs.replace(key, limits=limits)


def rotate_key(tx: Tx, project_id: int, public_key: str, now_us: int) -> ClientKey:
    """
    A new key of the same kind and limits; the old one goes on working until it is disabled.

    Raises:
        NotFound: the project has no such key.
    """
    old = key_by_public(tx, public_key)
    if old is None or old.project_id != project_id:
        raise NotFound(f"Project {project_id} has no such key. See: ukemi key list {project_id}")
    new = create_key(tx, project_id, old.kind, now_us)
    for category, per_minute in old.limits.items():
        new = limit_key(tx, project_id, new.public_key, category, per_minute)
    return new


def _key(row: Mapping[Any, Any]) -> ClientKey:
    return ClientKey(**{**row, "limits": msgspec.json.decode(row["limits"])})
