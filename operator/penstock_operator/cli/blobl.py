"""`penstock blobl`: a mapping over the lines of standard input."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from penstock_operator import console

EXAMPLES = (
    """Examples: `echo '{"a":1}' | penstock blobl 'root.b = this.a + 1'`, `penstock blobl -f map.blobl < lines.json`"""
)


def blobl(
    mapping: Annotated[str, typer.Argument(help="The mapping.")] = "",
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the mapping from a file.")] = None,
    raw: Annotated[bool, typer.Option("--raw", "-r", help="Lines are text: do not show them as JSON.")] = False,
) -> None:
    """Run a mapping on each line of standard input and print the results. Errors go to standard error with their line."""
    from penstock_gateway import language
    from penstock_gateway.message import Message

    text = file.read_text() if file is not None else mapping
    if not text:
        console.fail("a mapping is needed, as an argument or with --file", console.USAGE)
    folder = file.parent if file is not None else Path()
    environment = language.Environment(
        clock=time.time_ns,
        random=os.urandom,
        variables=os.environ,
        files=lambda name: Path(name).read_bytes(),
        imports=lambda name: (folder / name).read_text(),
    )
    try:
        compiled = language.compile_mapping(text, environment=environment)
    except language.ParseError as error:
        print(error.render(text), file=sys.stderr)
        raise typer.Exit(console.FINDINGS) from None
    failed = False
    for number, line in enumerate(sys.stdin.buffer, 1):
        body = line.rstrip(b"\r\n")
        try:
            result = compiled.apply([Message(body)], 0)
        except language.EvaluationError as error:
            failed = True
            print(f"line {number}: {error}", file=sys.stderr)
            continue
        if result is not None:
            sys.stdout.buffer.write(result.raw + (b"" if raw else b"\n"))
            sys.stdout.buffer.flush()
    if failed:
        raise typer.Exit(console.FINDINGS)
