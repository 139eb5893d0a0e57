"""`penstock run`: one bare Bento configuration as a process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = "Example: `penstock run stream.yaml`"


def run(
    file: Annotated[Path, typer.Argument(help="A Bento configuration.", exists=True, dir_okay=False)],
) -> None:
    """Run one bare Bento configuration until its input ends or Ctrl-C."""
    from penstock_gateway import main as gateway

    raise typer.Exit(gateway.run_bare(file))
