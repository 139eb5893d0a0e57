"""`penstock render`: what the plan would write, without writing it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from penstock_operator import console
from penstock_operator.console import Format

EXAMPLES = "Examples: `penstock render config/samples`, `penstock render . -o json | jq .status`"


def render(
    folder: Annotated[Path, typer.Argument(help="Folder of YAML files, or one file.", exists=True)],
    form: Annotated[
        Format, typer.Option("--output", "-o", help="table lists the documents; yaml and json show them.")
    ] = Format.YAML,
    state: Annotated[Path, typer.Option(help="State folder whose generated keys are used when it is there.")] = Path(
        ".penstock"
    ),
) -> None:
    """Print the documents and statuses that the resources of a folder lead to."""
    from penstock_operator.local.cluster import DirCluster

    applied = DirCluster([folder], state).render()
    for problem in applied.problems:
        console.say(console.line_of(problem))
    documents = {document.path: dict(document.body) for done in applied.plans.values() for document in done.apply}
    pipelines = [
        document.body["apis"]
        for done in applied.plans.values()
        for document in done.apply
        if document.kind == "pipeline"
    ]
    if pipelines:
        documents["pipeline.json"] = {"version": 1, "apis": [entry for apis in pipelines for entry in apis]}
    _print(dict(sorted(documents.items())), applied, form)
    if applied.problems:
        raise typer.Exit(console.FINDINGS)


def _print(documents: dict[str, Any], applied: Any, form: Format) -> None:
    statuses = {f"{ref.kind} {ref.name}": done.status for ref, done in applied.plans.items()}
    mints = [f"{mint.secret}" for done in applied.plans.values() for mint in done.mint]
    if form is Format.JSON:
        console.show({"documents": documents, "generate": mints, "status": statuses}, form)
    elif form is Format.TABLE:
        console.table("", ["document", "bytes"], [(path, str(len(str(body)))) for path, body in documents.items()])
    else:
        parts = [f"# {path}\n{console.as_yaml(body)}" for path, body in documents.items()]
        parts += [f"# a key would be generated into Secret {name}\n" for name in mints]
        print("---\n".join(parts), end="")
