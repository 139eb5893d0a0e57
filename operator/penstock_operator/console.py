"""How verbs speak: data on standard output as table, JSON or YAML, messages and problems on standard error."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import typer

from penstock_gateway.errors import Problem

WIDTH = 400
"""Columns a table may take; a terminal that has fewer wraps the lines itself."""
FINDINGS, USAGE, UNREACHABLE = 1, 2, 3


class Format(enum.StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def show(data: Any, form: Format) -> None:
    """Data on standard output as JSON or YAML."""
    if form is Format.JSON:
        print(json.dumps(data, indent=2, ensure_ascii=False))
        return
    print(as_yaml(data), end="")


def as_yaml(data: Any) -> str:
    """Data as YAML, texts of several lines as blocks."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts of several lines as blocks and never an alias."""

        def ignore_aliases(self, data: Any) -> bool:
            """Every value is written out."""
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on standard output. Nothing is folded, so that what it shows can be copied."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        shown.add_column(column, no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    Console(width=WIDTH, soft_wrap=True, highlight=False, markup=False).print(shown)


def say(text: str) -> None:
    """A message on standard error."""
    print(text, file=sys.stderr, flush=True)


def line_of(problem: Problem) -> str:
    """`file:line:col rule message`, the path in the message."""
    return f"{shorten(problem.file)}:{problem.line}:{problem.column} {problem.rule} {problem}"


def shorten(file: str) -> str:
    """A file relative to where we stand, when it is below."""
    try:
        return str(Path(file).resolve().relative_to(Path.cwd()))
    except ValueError:
        return file


def fail(text: str, code: int) -> NoReturn:
    """Say what is wrong and end with an exit code."""
    say(f"penstock: {text}")
    raise typer.Exit(code)
