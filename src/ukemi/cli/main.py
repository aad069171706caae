"""The `ukemi` command. Each subcommand lives in a module of its own; this one only puts them together."""

import sys


def run() -> None:
    """Entry point of the console script. Without the collector extra it says how to get it."""
    try:
        from ukemi.cli.app import app
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("ukemi"):
            raise
        sys.exit(
            f"The command needs the package {missing.name!r}, which is not installed: only the SDK layer is.\n"
            "Install the collector with its command line: pip install 'ukemi[collector]'"
        )
    app()


if __name__ == "__main__":
    run()
