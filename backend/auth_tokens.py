"""Tokens: access tokens are JWTs that carry a member's id, role and tier; refresh tokens are random, and stored hashed."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

import jwt
from pydantic import BaseModel

from backend.config import get_settings
from backend.errors import AuthenticationError
from backend.models import Member, Role, Tier

ALGORITHM = "HS256"
ACCESS_LIVES = timedelta(minutes=15)
REFRESH_LIVES = timedelta(days=30)


class Claims(BaseModel):
    """Who is calling. Role and tier are those at the time of signing: a change counts from the next refresh on."""

    sub: str
    email: str
    role: Role
    tier: Tier

    @property
    def member_id(self) -> int:
        return int(self.sub)


def issue_token(member: Member, lives: timedelta = ACCESS_LIVES) -> str:
    claims = Claims(sub=str(member.id), email=member.email, role=member.role, tier=member.tier).model_dump()
    expires = datetime.now(UTC) + lives
    return jwt.encode({**claims, "exp": expires}, get_settings().JWT_SECRET.get_secret_value(), ALGORITHM)


def read_token(token: str) -> Claims:
    """
    The claims of a valid token.

    Raises:
        AuthenticationError: it is not ours, or too old.
    """
    try:
        claims = jwt.decode(token, get_settings().JWT_SECRET.get_secret_value(), algorithms=[ALGORITHM])
    except jwt.PyJWTError as error:
        raise AuthenticationError("The access token is not valid") from error
    return Claims.model_validate(claims)


def new_refresh_token() -> str:
    return secrets.token_urlsafe(32)


def hash_of(refresh_token: str) -> str:
    """Random tokens need no slow hash: there is nothing to guess."""
    return hashlib.sha256(refresh_token.encode()).hexdigest()
