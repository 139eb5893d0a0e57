"""`penstock crd`: the CustomResourceDefinitions of the three resources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = "Examples: `penstock crd | kubectl apply --server-side -f -`, `penstock crd --write crds`"


def crd(
    write: Annotated[Path | None, typer.Option("--write", help="Write one file per resource into this folder.")] = None,
) -> None:
    """Print the CustomResourceDefinitions, or write them into a folder."""
    from penstock_operator import crd as models

    texts = {name: models.text(definition) for name, definition in models.definitions().items()}
    if write is None:
        print("---\n".join(texts.values()), end="")
        return
    write.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (write / name).write_text(text)
