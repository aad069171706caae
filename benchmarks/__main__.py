"""`python -m benchmarks [NAME …] [--OPTION …]`: run all scripts, or those that are named; options go to the script."""

import importlib
import sys
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def main() -> None:
    words = sys.argv[1:]
    options_at = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    names, sys.argv[1:] = words[:options_at], words[options_at:]
    for name in names or NAMES:
        if name not in NAMES:
            sys.exit(f"There is no benchmark {name!r}. There are: {', '.join(NAMES)}.")
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"\n{name}: {module.__doc__.strip().splitlines()[0]}\n", flush=True)
        module.main()


if __name__ == "__main__":
    main()
