"""The entry of the command line: hands the words over to the verb they name, and decides nothing."""

from __future__ import annotations


def main() -> None:
    """Run `penstock` with the arguments of the process."""
    from penstock_operator.cli import app

    app.run()


if __name__ == "__main__":
    main()
