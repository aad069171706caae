"""Access tokens: JWTs that carry a member's id, role and tier."""

from datetime import UTC, datetime, timedelta

import jwt
from pydantic import BaseModel

from backend.config import get_settings
from backend.errors import AuthenticationError

ALGORITHM = "HS256"
TOKEN_LIVES = timedelta(hours=1)


class Claims(BaseModel):
    sub: str
    email: str
    role: str
    tier: str


def issue_token(member_id: int, email: str, role: str, tier: str) -> str:
    claims = Claims(sub=str(member_id), email=email, role=role, tier=tier).model_dump()
    expires = datetime.now(UTC) + TOKEN_LIVES
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
