"""
Buggy programs, and what becomes of their bugs when somebody edits them: a labelled set for grouping.

Each function `bug_NAME(v)` of a program is one bug, which is its label; two bugs may crash in one function, and one bug
may be told with many values. `labelled` edits the programs mechanically, runs them under the real SDKs and returns the events.
"""

import ast
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent


class Labelled(NamedTuple):
    label: str
    """Which bug it is: `python/shop.bug_no_coupon`."""
    mutation: str
    """What had happened to the program or to its values."""
    event: dict[str, Any]


class Mutation(NamedTuple):
    name: str
    edit: Any
    """From the text of a program to another text with the same bugs."""
    folder: str = "app"
    prefix: str = ""
    """Of the module's name."""
    how: str = "call"
    entry: str = "{}"
    """Name of the function that is called, from the bug's."""
    seed: int = 1


DECORATOR = """
import functools as _functools


def _timed(function):
    @_functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def _timed_async(function):
    @_functools.wraps(function)
    async def wrapper(*args, **kwargs):
        started = 0
        result = await function(*args, **kwargs)
        return result

    return wrapper

"""


def same(text: str) -> str:
    return text


def moved_lines(text: str) -> str:
    text = re.sub(r"^(?=(?:async )?def |class |@)", "# A note of somebody.\n\n\n", text, flags=re.MULTILINE)
    return '"""Moved."""\n' + "# another line\n" * 23 + text


def decorated(text: str) -> str:
    head, tail = _after_imports(text)
    tail = re.sub(r"^(?=def (?!bug_|rows|names)\w+\()(?<!contextmanager\n)", "@_timed\n", tail, flags=re.MULTILINE)
    tail = re.sub(r"@contextlib.contextmanager\n@_timed\n", "@contextlib.contextmanager\n", tail)
    tail = re.sub(r"^(?=async def (?!bug_|rows)\w+\()", "@_timed_async\n", tail, flags=re.MULTILINE)
    return head + DECORATOR + tail


def reformatted(text: str) -> str:
    return ast.unparse(ast.parse(text))


def in_tasks(text: str) -> str:
    return (
        text
        + "\n\nimport asyncio as _asyncio\n"
        + "".join(
            f"\n\nasync def serve_{name}(v):\n    task = _asyncio.create_task({name}(v))\n    return await task\n"
            if is_async
            else f"\n\nasync def serve_{name}(v):\n    return await _asyncio.to_thread({name}, v)\n"
            for name, is_async in bugs_of(text)
        )
    )


def in_groups(text: str) -> str:
    return (
        text
        + "\n\nimport asyncio as _asyncio\n"
        + "".join(
            f"\n\nasync def _one_{name}(v):\n    return {'await ' if is_async else ''}{name}(v)\n\n\n"
            f"async def serve_{name}(v):\n    async with _asyncio.TaskGroup() as group:\n        group.create_task(_one_{name}(v))\n"
            for name, is_async in bugs_of(text)
        )
    )


def bugs_of(text: str) -> list[tuple[str, bool]]:
    """Names of a program's bugs, and whether they are coroutines."""
    return [(name, bool(is_async)) for is_async, name in re.findall(r"^(async )?def (bug_\w+)\(", text, re.MULTILINE)]


def _after_imports(text: str) -> tuple[str, str]:
    lines = text.splitlines(keepends=True)
    last = max(
        node.end_lineno or 0 for node in ast.parse(text).body[:20] if isinstance(node, ast.Import | ast.ImportFrom)
    )
    return "".join(lines[:last]), "".join(lines[last:])


MUTATIONS = (
    Mutation("as it is", same),
    Mutation("other values", same, seed=2),
    Mutation("values again", same, seed=3),
    Mutation("lines moved", moved_lines, seed=4),
    Mutation("file renamed", same, folder="service/inner", prefix="new_", seed=5),
    Mutation("decorators", decorated, seed=6),
    Mutation("reformatted", reformatted, seed=7),
    Mutation("in a task", in_tasks, entry="serve_{}", seed=8),
    Mutation("in a group", in_groups, entry="serve_{}", seed=9),
    Mutation("in a thread", same, how="thread", seed=10),
    Mutation("in a route", same, how="route", seed=11),
)


def labelled(name: str) -> list[Labelled]:
    """All events of one set of programs: `tuned` or `held_out`."""
    programs = sorted((HERE / name).glob("*.py"))
    with tempfile.TemporaryDirectory(prefix="buggy-") as folder, ThreadPoolExecutor(2) as pool:
        runs = pool.map(lambda mutation: _run(mutation, programs, Path(folder)), MUTATIONS)
        python = [event for events in runs for event in events]
    from benchmarks.buggy import javascript

    return python + list(javascript.events_of(sorted((HERE / name).glob("*.mjs"))))


def _run(mutation: Mutation, programs: list[Path], folder: Path) -> list[Labelled]:
    home = folder / mutation.name.replace(" ", "-")
    (home / mutation.folder).mkdir(parents=True)
    jobs = []
    for program in programs:
        text = program.read_text()
        module = f"{mutation.prefix}{program.stem}"
        (home / mutation.folder / f"{module}.py").write_text(mutation.edit(text))
        jobs += [
            {
                "label": f"python/{program.stem}.{bug}",
                "module": f"{mutation.folder.replace('/', '.')}.{module}",
                "entry": mutation.entry.format(bug),
                "how": mutation.how,
                "seed": mutation.seed,
            }
            for bug, _ in bugs_of(text)
        ]
    order = json.dumps({"folder": str(home), "mutation": mutation.name, "jobs": jobs})
    done = subprocess.run(
        [sys.executable, str(HERE / "run_python.py")],
        input=order,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [Labelled(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")]
