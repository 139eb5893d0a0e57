"""`penstock lint`: what is wrong with resource files and bare configurations, with file, line and column."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock_gateway.errors import Problem
from penstock_operator import console
from penstock_operator.console import Format

EXAMPLES = "Examples: `penstock lint config/samples`, `penstock lint stream.yaml -o json`"


def lint(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders of resources, or bare Bento configurations.")],
    form: Annotated[Format, typer.Option("--output", "-o", help="table: one line each.")] = Format.TABLE,
) -> None:
    """Check resources and bare configurations. Prints `file:line:col rule message`; exit code 1 when something was found."""
    from penstock_operator.local import sources

    for path in paths:
        if not path.exists():
            console.fail(f"{path} does not exist", console.USAGE)
    every = list(dict.fromkeys(file for path in paths for file in sources.files(path)))
    bare = [file for file in every if _is_bare(file)]
    problems = _bare_problems(bare) + _resource_problems([file for file in every if file not in bare])
    problems.sort(key=lambda it: (it.file, it.line, it.column))
    if form is Format.TABLE:
        for problem in problems:
            print(console.line_of(problem))
    else:
        console.show([_plain(problem) for problem in problems], form)
    if problems:
        raise typer.Exit(console.FINDINGS)
    console.say(f"{len(every)} file{'s' if len(every) != 1 else ''}, nothing found")


def _plain(problem: Problem) -> dict[str, Any]:
    place = {"file": console.shorten(problem.file), "line": problem.line, "column": problem.column}
    return {**place, "rule": problem.rule, "path": list(problem.path), "message": problem.text}


def _is_bare(file: Path) -> bool:
    """Whether a file is a configuration by itself: one document that is no Kubernetes object and has a stream's words on top."""
    from penstock_gateway import yamltext
    from penstock_gateway.errors import ConfigError

    try:
        documents = list(yamltext.load_all(file.read_text("utf-8-sig"), str(file)))
    except (ConfigError, OSError, UnicodeDecodeError):
        return False
    words = {"input", "output", "pipeline", "cache_resources", "http", "logger"}
    data = documents[0].data if len(documents) == 1 else None
    return isinstance(data, dict) and "apiVersion" not in data and bool(words & set(data))


def _bare_problems(files: list[Path]) -> list[Problem]:
    from penstock_gateway import lint as gateway_lint

    found = []
    for file in files:
        found += gateway_lint.lint_bare(file.read_text("utf-8-sig"), str(file), os.environ)
    return found


def _resource_problems(files: list[Path]) -> list[Problem]:
    from penstock_operator.local.cluster import DirCluster

    if not files:
        return []
    applied = DirCluster(files, Path(".penstock")).render()
    for note in applied.notes:
        console.say(note)
    return [problem for problem in applied.problems if problem.rule not in REFERENCES]


REFERENCES = (
    "ConfigMapNotFound",
    "SecretNotFound",
    "PolicyNotFound",
    "TargetNotFound",
    "RefNotPermitted",
    "PolicyDraft",
)
"""What may lie in files that were not given; `penstock dev` and the status say so."""
