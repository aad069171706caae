"""How large are the events that the other benchmarks use, and what are they made of?"""

import json
import random
from typing import Any

SEED = 7


def large_event(number: int) -> dict[str, Any]:
    """An event as a FastAPI app sends it: 40 frames with source lines and variables, 30 breadcrumbs, a request."""
    generator = random.Random(SEED + number)
    words = [f"w{generator.randrange(10**6)}" for _ in range(200)]

    def line() -> str:
        return "    " + " ".join(generator.choices(words, k=8))

    frames = [
        {
            "filename": f"shop/part_{index}.py",
            "abs_path": f"/srv/shop/part_{index}.py",
            "module": f"shop.part_{index}",
            "function": f"step_{index}",
            "lineno": 100 + index,
            "pre_context": [line() for _ in range(5)],
            "context_line": line(),
            "post_context": [line() for _ in range(5)],
            "vars": {name: line() for name in generator.choices(words, k=6)},
            "in_app": index % 3 == 0,
        }
        for index in range(40)
    ]
    return {
        "event_id": f"{generator.getrandbits(128):032x}",
        "platform": "python",
        "level": "error",
        "environment": "production",
        "release": "shop@1.0.0",
        "transaction": "POST /orders",
        "user": {"id": str(number % 500)},
        "request": {
            "url": "http://shop.example/orders",
            "method": "POST",
            "headers": {"User-Agent": "Mozilla/5.0", "Authorization": "Bearer abcdef123456", "Accept": "*/*"},
        },
        "breadcrumbs": {"values": [{"category": "query", "message": line()} for _ in range(30)]},
        "exception": {"values": [{"type": f"Error{number % 20}", "value": line(), "stacktrace": {"frames": frames}}]},
    }


def main() -> None:
    sizes = sorted(len(json.dumps(large_event(number))) for number in range(20))
    print(f"{'smallest':>10} {'median':>10} {'largest':>10}   bytes of JSON, 20 events")
    print(f"{sizes[0]:>10} {sizes[10]:>10} {sizes[-1]:>10}")
