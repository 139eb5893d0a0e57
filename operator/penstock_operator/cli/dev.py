"""`penstock dev`: a folder of resources, running on this machine, and running again after every edit."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from penstock_operator import console

EXAMPLES = (
    "Examples: `penstock dev config/samples --kafka embedded`, `penstock dev . --kafka localhost:9092 --port 9000`"
)


def dev(
    folder: Annotated[Path, typer.Argument(help="Folder of YAML files, or one file.", exists=True)],
    kafka: Annotated[
        str,
        typer.Option(
            help="`embedded` starts a broker in this process; an address names one. Both override the variable BROKERS."
        ),
    ] = "",
    port: Annotated[int, typer.Option(help="Port of the APIs; 0 = any.", min=0, max=65535)] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    admin_port: Annotated[int, typer.Option(help="Port of health, metrics and status; 0 = any.", min=0, max=65535)] = 0,
    state: Annotated[Path, typer.Option(help="Folder for documents, generated keys and dev.json.")] = Path(".penstock"),
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "WARNING",
) -> None:
    """Run the resources of a folder on this machine and follow every edit. Ctrl-C drains and ends.

    Reads StreamAPI, Policy, Key, Secret, ConfigMap and Namespace documents, writes what the operator would have written into the state
    folder, and serves all APIs on one port. Generated keys are kept between runs.
    """
    import uvloop

    from penstock_gateway import logs
    from penstock_operator.local import session

    logs.configure(log_level)
    options = session.Options(folder, state, kafka, host, port, admin_port)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raise typer.Exit(runner.run(session.run(options, console.say)))
