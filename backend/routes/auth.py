"""Registration and sign-in."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pwdlib import PasswordHash
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from backend.auth_tokens import Claims, issue_token, read_token
from backend.database import Member, session
from backend.errors import AuthenticationError
from backend.middleware import track_business_operation
from backend.observability import add_breadcrumb, track_auth_error

router = APIRouter(prefix="/api/auth", tags=["auth"])
_hasher = PasswordHash.recommended()


class Registration(BaseModel):
    username: str = Field(min_length=3, max_length=60)
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=200)
    password: SecretStr = Field(min_length=8, max_length=200)


class Credentials(BaseModel):
    username: str
    password: SecretStr


class Token(BaseModel):
    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the word of the standard, not a password


def get_user(username: str) -> Member:
    """
    The member of that name.

    Raises:
        AuthenticationError: there is none.
    """
    with session("SELECT", "member") as db:
        member = db.scalar(select(Member).where(Member.username == username))
    if member is None:
        raise AuthenticationError("Invalid credentials")
    return member


def verify_password(password: str, password_hash: str) -> bool:
    return _hasher.verify(password, password_hash)


async def authenticate_user(username: str, password: str) -> Member:
    """
    The member whose user name and password these are.

    Raises:
        AuthenticationError: one of them is wrong.
    """
    add_breadcrumb("auth", "Login attempt", {"username": username})
    try:
        user = get_user(username)
        if not verify_password(password, user.password_hash):
            raise AuthenticationError("Invalid credentials")  # noqa: TRY301 - both ways of failing are tracked below
        add_breadcrumb("auth", "Login successful", {"user_id": user.id})
        return user  # noqa: TRY300 - the order of these lines is documented for users
    except AuthenticationError as e:
        track_auth_error(e, username=username, auth_method="password", reason="invalid_credentials")
        raise


def current_member(token: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> Claims:
    """Who is calling, from the access token; 401 without a valid one."""
    try:
        return read_token(token.credentials)
    except AuthenticationError as error:
        raise HTTPException(401, str(error), headers={"WWW-Authenticate": "Bearer"}) from error


CurrentMember = Annotated[Claims, Depends(current_member)]


@router.post("/register", status_code=201)
def register(registration: Registration) -> dict[str, int]:
    """Become a member."""
    member = Member(
        username=registration.username,
        email=registration.email.lower(),
        password_hash=_hasher.hash(registration.password.get_secret_value()),
    )
    try:
        with session("INSERT", "member") as db:
            db.add(member)
    except IntegrityError as error:
        raise HTTPException(409, "This user name or e-mail address is taken.") from error
    track_business_operation("member registered", "member", member.id)
    return {"id": member.id}


@router.post("/login")
async def login(credentials: Credentials) -> Token:
    """Sign in; the token says role and tier."""
    try:
        member = await authenticate_user(credentials.username, credentials.password.get_secret_value())
    except AuthenticationError as error:
        raise HTTPException(401, "Wrong user name or password.", headers={"WWW-Authenticate": "Bearer"}) from error
    return Token(access_token=issue_token(member.id, member.email, member.role, member.tier))
