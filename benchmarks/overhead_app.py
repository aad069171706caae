"""What does the app of the benchmark `sdk_overhead` answer by itself? One request, printed."""

import os
from typing import Annotated

from fastapi import Depends, FastAPI

VARIANT = os.environ.get("VARIANT", "bare")
RATE = next((int(word) / 100 for word in VARIANT.split() if word.isdigit()), 0.0)

app = FastAPI()
if VARIANT.startswith("sentry"):
    import sentry_sdk

    sentry_sdk.init(environment="benchmark", release="bench@1", traces_sample_rate=RATE)
elif VARIANT.startswith("ukemi"):
    import ukemi.sdk

    ukemi.sdk.init(
        app,
        environment="benchmark",
        release="bench@1",
        traces_sample_rate=RATE,
        storm_guard=0 if "whole" in VARIANT else 5,
        pii_key="k" * 32,
        jwt=ukemi.sdk.Jwt(key=os.environ["JWT_SECRET"], algorithms=["HS256"]),
    )


def settings() -> dict[str, int]:
    return {"page": 20}


@app.get("/items/{number}")
async def item(number: int, options: Annotated[dict[str, int], Depends(settings)]) -> dict[str, object]:
    return {"number": number, "name": "belt", "options": options}


@app.get("/fail/{number}")
async def fail(number: int, options: Annotated[dict[str, int], Depends(settings)]) -> None:
    rows = [{"id": row, "name": f"member {row}", "number": number} for row in range(50)]
    raise RuntimeError(f"out of order: {len(rows)} rows, {options}")


def main() -> None:
    import asyncio

    print(asyncio.run(item(1, settings())))
