"""Who may do what: dependencies of routes."""

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from backend.auth_tokens import Claims, read_token
from backend.errors import AuthenticationError
from backend.models import Role

SESSION_COOKIE = "wwmaa_session"


def current_member(token: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> Claims:
    """Who is calling, from the access token; 401 without a valid one."""
    try:
        return read_token(token.credentials)
    except AuthenticationError as error:
        raise HTTPException(401, str(error), headers={"WWW-Authenticate": "Bearer"}) from error


CurrentMember = Annotated[Claims, Depends(current_member)]


def one_of(*roles: Role) -> Callable[[Claims], Claims]:
    """A dependency: the caller, if they have one of `roles`; else 403."""

    def check(member: CurrentMember) -> Claims:
        if member.role not in roles:
            raise HTTPException(403, f"Only for {' and '.join(roles)}.")
        return member

    return check


Board = Annotated[Claims, Depends(one_of(Role.BOARD))]
Instructor = Annotated[Claims, Depends(one_of(Role.INSTRUCTOR, Role.BOARD))]


def visitor(request: Request) -> Claims | None:
    """Who looks at a page, from its cookie; None for somebody who is not signed in (any more)."""
    with suppress(AuthenticationError):
        return read_token(request.cookies.get(SESSION_COOKIE, ""))
    return None


def signed_in_visitor(request: Request) -> Claims:
    """Who sends a page's form; others are led to the sign-in page."""
    known = visitor(request)
    if known is None:
        raise HTTPException(303, "Sign in first.", headers={"Location": "/sign-in"})
    return known


SignedInVisitor = Annotated[Claims, Depends(signed_in_visitor)]


def from_own_page(request: Request) -> None:
    """Refuse a form that another site's page sent with the visitor's cookie."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(403, "This form was sent from another site.")
