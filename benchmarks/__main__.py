"""`python -m benchmarks [NAME …]`: run all scripts, or those that are named."""

import importlib
import sys
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def main() -> None:
    for name in sys.argv[1:] or NAMES:
        if name not in NAMES:
            sys.exit(f"There is no benchmark {name!r}. There are: {', '.join(NAMES)}.")
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"\n{name}: {module.__doc__.strip().splitlines()[0]}\n", flush=True)
        module.main()


if __name__ == "__main__":
    main()
