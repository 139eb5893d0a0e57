"""Gathers the verbs of `penstock`."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock_operator.cli import blobl, crd, dev, key, lint, operator, render, run_bare, schema, send, tail, test

app = typer.Typer(
    name="penstock",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("dev", epilog=dev.EXAMPLES)(dev.dev)
app.command("run", epilog=run_bare.EXAMPLES)(run_bare.run)
app.command("lint", epilog=lint.EXAMPLES)(lint.lint)
app.command("test", epilog=test.EXAMPLES)(test.test)
app.command("blobl", epilog=blobl.EXAMPLES)(blobl.blobl)
app.command("render", epilog=render.EXAMPLES)(render.render)
app.command("tail", epilog=tail.EXAMPLES)(tail.tail)
app.command("send", epilog=send.EXAMPLES)(send.send)
app.command("schema", epilog=schema.EXAMPLES)(schema.schema)
app.command("crd", epilog=crd.EXAMPLES)(crd.crd)
app.command("operator", epilog=operator.EXAMPLES)(operator.operator)
app.add_typer(key.app, name="key")


def _version(wanted: bool) -> None:
    if wanted:
        from penstock_gateway import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def penstock(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Describe a stream in one YAML file. Get a running, secured, rate-limited API."""


def run() -> None:
    """Run the command line; an interrupted command ends quietly."""
    app()
