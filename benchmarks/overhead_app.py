"""What does the app of the benchmark `sdk_overhead` answer by itself? One request, printed."""

import os
from typing import Annotated, Any

from fastapi import Depends, FastAPI

SECRET = "a secret of the benchmark, 32 long"
"""Signs the tokens of its users."""


def make_app(variant: str | None = None, **options: Any) -> FastAPI:
    """
    The app, tracked as the variant says: `sentry 10 %`, `ukemi 0 %`, `ukemi 100 % whole` (no storm guard), or not.

    Args:
        variant: default: the environment's `VARIANT`, as uvicorn calls this without arguments.
        options: further ones of `ukemi.sdk.init`.
    """
    variant = variant or os.environ.get("VARIANT", "bare")
    rate = next((int(word) / 100 for word in variant.split() if word.isdigit()), 0.0)
    app = FastAPI()
    if variant.startswith("sentry"):
        import sentry_sdk

        sentry_sdk.init(environment="benchmark", release="bench@1", traces_sample_rate=rate)
    elif variant.startswith("ukemi"):
        import ukemi.sdk

        ukemi.sdk.init(
            app,
            environment="benchmark",
            release="bench@1",
            traces_sample_rate=rate,
            storm_guard=0 if "whole" in variant else 5,
            pii_key="k" * 32,
            jwt=ukemi.sdk.Jwt(key=SECRET, algorithms=["HS256"]),
            **options,
        )
    app.add_api_route("/items/{number}", item)
    app.add_api_route("/fail/{number}", fail)
    return app


def settings() -> dict[str, int]:
    return {"page": 20}


Options = Annotated[dict[str, int], Depends(settings)]


async def item(number: int, options: Options) -> dict[str, object]:
    return {"number": number, "name": "belt", "options": options}


async def fail(number: int, options: Options) -> None:
    members = [{"id": row, "name": f"member {row}", "number": number} for row in range(50)]
    await grade(members, options)


async def grade(members: list[dict[str, object]], options: dict[str, int]) -> None:
    belts = {"white": 9, "black": 1}
    for place, member in enumerate(members):
        promote(member, belts, place=place, page=options["page"])


def promote(member: dict[str, object], belts: dict[str, int], *, place: int, page: int) -> None:
    left = belts["black"] - place
    raise RuntimeError(f"out of order: {member['name']}, {left} belts left, page of {page}")


def main() -> None:
    import asyncio

    print(asyncio.run(item(1, settings())))
