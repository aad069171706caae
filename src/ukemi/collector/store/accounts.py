"""Accounts, one-time sign-in links and sessions. Tokens are stored as hashes only, so a copied database signs nobody in."""

import hashlib
import secrets

import msgspec
import sqlalchemy as sa

from ukemi.collector.core.clock import DAY_US
from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx

LINK_LIVES_US = DAY_US
SESSION_LIVES_US = 30 * DAY_US


class Account(msgspec.Struct, frozen=True):
    id: int
    email: str
    role: str
    """owner | member"""
    password_hash: str | None
    """argon2; None until the person chose a password."""


_COLUMNS = [schema.account.c[name] for name in Account.__struct_fields__]


def exist(tx: Tx) -> bool:
    """Whether anybody has an account."""
    return tx.execute(sa.select(schema.account.c.id).limit(1)).first() is not None


def ensure_account(tx: Tx, email: str, role: str, now_us: int) -> int:
    """The account of an address, made if there is none; returns its id. An existing one takes the new role."""
    account = by_email(tx, email)
    if account is None:
        row = {"email": email.strip().lower(), "role": role, "created_us": now_us}
        return int(tx.execute(sa.insert(schema.account).values(row).returning(schema.account.c.id)).scalar_one())
    tx.execute(sa.update(schema.account).where(schema.account.c.id == account.id).values(role=role))
    return account.id


def by_email(tx: Tx, email: str) -> Account | None:
    query = sa.select(*_COLUMNS).where(schema.account.c.email == email.strip().lower())
    row = tx.execute(query).mappings().first()
    return Account(**row) if row else None


def set_password(tx: Tx, account_id: int, password_hash: str) -> None:
    """Set a password and end the account's sessions: whoever was signed in must know the new one."""
    tx.execute(sa.update(schema.account).where(schema.account.c.id == account_id).values(password_hash=password_hash))
    tx.execute(sa.delete(schema.session).where(schema.session.c.account_id == account_id))


def new_sign_in_link(tx: Tx, account_id: int, now_us: int) -> str:
    """Token of a link that signs in once, within a day."""
    token = secrets.token_urlsafe(32)
    row = {"token_hash": _hash(token), "account_id": account_id, "expires_us": now_us + LINK_LIVES_US}
    tx.execute(sa.insert(schema.sign_in_link).values(row))
    return token


def use_sign_in_link(tx: Tx, token: str, now_us: int) -> int | None:
    """Spend a link; the account's id, or None when the link is unknown, used or too old."""
    c = schema.sign_in_link.c
    valid = sa.and_(c.token_hash == _hash(token), c.used_us.is_(None), c.expires_us > now_us)
    return tx.execute(
        sa.update(schema.sign_in_link).where(valid).values(used_us=now_us).returning(c.account_id)
    ).scalar_one_or_none()


def start_session(tx: Tx, account_id: int, now_us: int) -> str:
    """Token for the cookie of a new session."""
    token = secrets.token_urlsafe(32)
    row = {
        "token_hash": _hash(token),
        "account_id": account_id,
        "created_us": now_us,
        "expires_us": now_us + SESSION_LIVES_US,
    }
    tx.execute(sa.insert(schema.session).values(row))
    return token


def of_session(tx: Tx, token: str, now_us: int) -> Account | None:
    """Whose session it is; None when it is unknown or over."""
    c = schema.session.c
    query = (
        sa.select(*_COLUMNS)
        .join_from(schema.account, schema.session, c.account_id == schema.account.c.id)
        .where(c.token_hash == _hash(token), c.expires_us > now_us)
    )
    row = tx.execute(query).mappings().first()
    return Account(**row) if row else None


def end_session(tx: Tx, token: str) -> None:
    tx.execute(sa.delete(schema.session).where(schema.session.c.token_hash == _hash(token)))


def _hash(token: str) -> bytes:
    """A plain hash is enough: the token has 256 random bits."""
    return hashlib.sha256(token.encode()).digest()
