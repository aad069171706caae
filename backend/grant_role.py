"""`python -m backend.grant_role USERNAME ROLE`: how the first board member comes about."""

import argparse
import sys

from sqlalchemy import update

from backend.database import session, upgrade
from backend.models import Member, Role


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m backend.grant_role", description="Give a member a role.")
    parser.add_argument("username")
    parser.add_argument("role", type=Role, choices=list(Role))
    given = parser.parse_args()
    upgrade()
    with session("UPDATE", "member") as db:
        granted = update(Member).where(Member.username == given.username).values(role=given.role)
        if db.scalar(granted.returning(Member.id)) is None:
            sys.exit(f"There is no member {given.username}: register first.")
    print(f"{given.username} is {given.role} from the next sign-in on.")


if __name__ == "__main__":
    main()
