"""`penstock test`: the unit tests of configurations."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock_operator import console

if TYPE_CHECKING:
    from penstock_gateway.unittests import Outcome

EXAMPLES = "Examples: `penstock test stream.yaml`, `penstock test streams/`"
_SUFFIXES = ("_bento_test", "_benthos_test", "_penstock_test")


def test(
    paths: Annotated[list[Path], typer.Argument(help="Test files, configurations with `tests:`, or folders.")],
) -> None:
    """Run the unit tests of configurations. Exit code 1 when one failed."""
    from penstock_gateway.errors import ConfigError

    files = [file for path in paths for file in _files(path)]
    good = True
    ran = 0
    for file in files:
        try:
            outcomes = asyncio.run(_run(file, file.read_text()))
        except (ConfigError, OSError) as error:
            print(f"Test '{file}' failed\n  {error}")
            good = False
            continue
        ran += len(outcomes)
        good = _report(file, outcomes) and good
    if not ran and good:
        console.fail(
            "no tests found: a configuration needs `tests:`, or a file x_bento_test.yaml beside x.yaml", console.USAGE
        )
    if not good:
        raise typer.Exit(console.FINDINGS)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*.y*ml") if "tests:" in file.read_text(errors="replace"))
    elif path.exists():
        yield path
    else:
        console.fail(f"{path} does not exist", console.USAGE)


async def _run(file: Path, text: str) -> list[Outcome]:
    from penstock_gateway import unittests, yamltext

    subject = file
    for suffix in _SUFFIXES:
        if file.stem.endswith(suffix):
            subject = file.with_name(file.stem.removesuffix(suffix) + file.suffix)
    cases = unittests.read_cases(yamltext.load(text, str(file)))
    return [await unittests.run_case(case, line, file, subject) for case, line in cases]


def _report(file: Path, outcomes: list[Outcome]) -> bool:
    failed = [outcome for outcome in outcomes if outcome.failures]
    print(f"Test '{file}' {'failed' if failed else 'succeeded'}")
    for outcome in failed:
        print(f"\n{outcome.name} [line {outcome.line}]:")
        for text in outcome.failures:
            print(text)
    return not failed
