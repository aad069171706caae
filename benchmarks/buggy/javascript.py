"""The JavaScript programs: in Node with their source, and as bundles of which every build has other names."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.buggy.labelled import HERE, Labelled

NODE_SDK = "@sentry/node@11.12.0"
ENVIRONMENTS = HERE.parent / ".environments"
MODULES = HERE.parent.parent / "assets" / "node_modules"


class Build(NamedTuple):
    mutation: str
    seed: int
    functions_above: int
    """So many more functions make a bundler choose other names."""
    address: str


BUILDS = (
    Build("as it is", 1, 0, "https://shop.example/assets/app.3f9a01c2.js"),
    Build("other values", 2, 0, "https://shop.example/assets/app.3f9a01c2.js"),
    Build("other names", 3, 17, "https://shop.example/assets/app.77bb01ee.js"),
    Build("other names, other server", 4, 60, "https://cdn.example/v2/app.0a1b2c3d.js"),
)


def events_of(programs: list[Path]) -> Iterator[Labelled]:
    with tempfile.TemporaryDirectory(prefix="buggy-js-") as folder:
        for program in programs:
            yield from _in_node(program, Path(folder))
            yield from _in_pages(program, Path(folder))


def _in_node(program: Path, folder: Path) -> Iterator[Labelled]:
    home = ENVIRONMENTS / "node"
    if not (home / "node_modules").exists():
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home), NODE_SDK], check=True
        )
    sdk = next((home / "node_modules" / "@sentry" / "node" / "build").glob("esm/index.js"))
    text = program.read_text()
    served = "".join(
        f"\nexport async function serve_{entry}(v) {{\n  return await {entry}(v);\n}}\n" for entry in _entries(program)
    )
    for mutation, edited, name, seed in (
        ("as it is", text, f"app/{program.name}", 1),
        ("other values", text, f"app/{program.name}", 2),
        (
            "lines moved",
            "// note\n" * 31 + text.replace("\nfunction ", "\n\n// note\nfunction "),
            f"app/{program.name}",
            3,
        ),
        ("file renamed", text, f"service/inner/new-{program.name}", 4),
        ("in a task", text + served, f"app/{program.name}", 5),
    ):
        path = folder / mutation.replace(" ", "-") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(edited)
        yield from _run(
            program,
            f"node/{program.stem}",
            mutation,
            sdk=sdk,
            program=path,
            seed=seed,
            prefix="serve_" if mutation == "in a task" else "",
        )


def _in_pages(program: Path, folder: Path) -> Iterator[Labelled]:
    sdk = MODULES / "@sentry" / "browser" / "build" / "npm" / "esm" / "prod" / "index.js"
    for build in BUILDS:
        above = "".join(f"export const more_{n} = (a, b) => a?.x{n}(b);\n" for n in range(build.functions_above))
        source, bundle = folder / f"page-{build.functions_above}.mjs", folder / f"bundle-{build.functions_above}.js"
        source.write_text(above + program.read_text())
        entry = folder / "entry.mjs"
        entry.write_text(
            f'import * as bugs from "./{source.name}"; globalThis.bugs = bugs; globalThis.more = Object.values(bugs);'
        )
        command = [
            str(MODULES / ".bin" / "esbuild"),
            str(entry),
            "--bundle",
            "--minify",
            "--log-level=error",
            f"--outfile={bundle}",
        ]
        subprocess.run(command, check=True)
        yield from _run(
            program,
            f"page/{program.stem}",
            build.mutation,
            sdk=sdk,
            program=bundle,
            seed=build.seed,
            address=build.address,
        )


def _run(source: Path, label: str, mutation: str, **order: object) -> Iterator[Labelled]:
    output = Path(str(order["program"]) + f".{order['seed']}.jsonl")
    done = subprocess.run(
        ["node", str(HERE / "run_node.mjs")],
        input=json.dumps({"prefix": "", "entries": _entries(source), "output": output, **order}, default=str),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    for line in output.read_text().splitlines():
        one = json.loads(line)
        yield Labelled(f"{label}.{one['label']}", mutation, one["event"])


def _entries(program: Path) -> list[str]:
    return re.findall(r"^export (?:async )?function (bug_\w+)\(", program.read_text(), re.MULTILINE)
