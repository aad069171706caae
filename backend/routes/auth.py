"""Registration, sign-in, staying signed in, and signing out."""

from datetime import UTC, datetime

from fastapi import APIRouter, BackgroundTasks, HTTPException
from pwdlib import PasswordHash
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from backend.auth_tokens import ACCESS_LIVES, REFRESH_LIVES, hash_of, issue_token, new_refresh_token
from backend.database import session
from backend.errors import AuthenticationError
from backend.mail import send_mail
from backend.middleware import track_business_operation
from backend.models import Member, SignIn
from backend.observability import add_breadcrumb, track_auth_error

router = APIRouter(prefix="/api/auth", tags=["auth"])
_hasher = PasswordHash.recommended()
_NOBODYS = _hasher.hash("")
"""Compared with when there is no such member, so that the time of an answer does not tell who is one."""


class Registration(BaseModel):
    username: str = Field(min_length=3, max_length=60)
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=200)
    password: SecretStr = Field(min_length=8, max_length=200)


class Credentials(BaseModel):
    username: str
    password: SecretStr


class RefreshToken(BaseModel):
    refresh_token: SecretStr


class Tokens(BaseModel):
    access_token: str
    refresh_token: str
    expires_in: int = int(ACCESS_LIVES.total_seconds())
    """Seconds."""
    token_type: str = "bearer"  # noqa: S105 - the word of the standard, not a password


class MemberId(BaseModel):
    id: int


def get_user(username: str) -> Member:
    """
    The member of that name.

    Raises:
        AuthenticationError: there is none.
    """
    with session("SELECT", "member") as db:
        member = db.scalar(select(Member).where(Member.username == username))
    if member is None:
        verify_password("", _NOBODYS)
        raise AuthenticationError("Invalid credentials")
    return member


def verify_password(password: str, password_hash: str) -> bool:
    return _hasher.verify(password, password_hash)


def authenticate_user(username: str, password: str) -> Member:
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
    except AuthenticationError as error:
        track_auth_error(error, username=username, auth_method="password", reason="invalid_credentials")
        raise
    add_breadcrumb("auth", "Login successful", {"user_id": user.id})
    return user


@router.post("/register", status_code=201)
def register(registration: Registration, background: BackgroundTasks) -> MemberId:
    """Become a guest, who may book; a subscription makes a member of one."""
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
    background.add_task(send_mail, member.email, "Welcome", f"Welcome to the WWMAA, {member.username}.")
    return MemberId(id=member.id)


@router.post("/login")
def login(credentials: Credentials) -> Tokens:
    """Sign in; the access token says role and tier."""
    try:
        member = authenticate_user(credentials.username, credentials.password.get_secret_value())
    except AuthenticationError as error:
        raise HTTPException(401, "Wrong user name or password.", headers={"WWW-Authenticate": "Bearer"}) from error
    token = new_refresh_token()
    with session("INSERT", "sign_in") as db:
        db.add(SignIn(member_id=member.id, token_hash=hash_of(token), expires_at=datetime.now(UTC) + REFRESH_LIVES))
    return Tokens(access_token=issue_token(member), refresh_token=token)


@router.post("/refresh")
def refresh(old: RefreshToken) -> Tokens:
    """New tokens for a refresh token, which ends with this. One that is shown twice ends the whole sign-in."""
    shown, token = hash_of(old.refresh_token.get_secret_value()), new_refresh_token()
    try:
        member = _exchange(shown, hash_of(token))
    except AuthenticationError as error:
        track_auth_error(error, auth_method="refresh_token", reason="invalid_token")
        raise HTTPException(401, "Sign in again.", headers={"WWW-Authenticate": "Bearer"}) from error
    return Tokens(access_token=issue_token(member), refresh_token=token)


def _exchange(shown: str, new: str) -> Member:
    """Put a new token's hash in place of the one that was shown. One statement, so that two at once cannot both win."""
    now = datetime.now(UTC)
    with session("UPDATE", "sign_in") as db:
        member_id = db.scalar(
            update(SignIn)
            .where(SignIn.token_hash == shown, SignIn.expires_at > now)
            .values(token_hash=new, previous_hash=shown, expires_at=now + REFRESH_LIVES)
            .returning(SignIn.member_id)
        )
        if member_id is not None:
            return db.get_one(Member, member_id)
        db.execute(delete(SignIn).where(SignIn.previous_hash == shown))
    raise AuthenticationError("The refresh token is not valid")


@router.post("/logout", status_code=204)
def logout(token: RefreshToken) -> None:
    """Sign this device out. Its access token goes on for the minutes that it has left."""
    with session("DELETE", "sign_in") as db:
        db.execute(delete(SignIn).where(SignIn.token_hash == hash_of(token.refresh_token.get_secret_value())))
