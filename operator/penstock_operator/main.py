"""The entry of the command line: hands the words over to the verb they name, and decides nothing."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `penstock` with the arguments of the process."""
    from penstock_operator.cli import app

    sys.setrecursionlimit(10_000)  # as the gateway does: mappings run in this process too
    app.run()


if __name__ == "__main__":
    main()
