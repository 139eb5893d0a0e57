"""`penstock send`: posts a file, or each line of standard input, to a stream."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from penstock_operator import console
from penstock_operator.cli import client

EXAMPLES = "Examples: `echo '{\"id\": 1}' | penstock send orders`, `penstock send orders order.json`"


def send(
    target: Annotated[
        str, typer.Argument(help="Address to post to, or the name of an API that `penstock dev` serves.")
    ],
    file: Annotated[
        Path | None, typer.Argument(help="File to post whole; without one, each line of standard input.")
    ] = None,
    key: Annotated[str, typer.Option(envvar="PENSTOCK_KEY", help="The key; with a name, one that fits is found.")] = "",
    content_type: Annotated[str, typer.Option(help="Content type.")] = "application/json",
    state: Annotated[Path, typer.Option(help="State folder of `penstock dev`.")] = Path(".penstock"),
) -> None:
    """Post messages; a synchronous answer of the stream is printed on standard console."""
    if file is not None and not file.is_file():
        console.fail(f"{file} is not a file", console.USAGE)
    place = client.endpoint(target, key, "post", state)
    bodies = iter([file.read_bytes()]) if file is not None else _lines()
    try:
        raise typer.Exit(asyncio.run(post(place, bodies, content_type)))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _lines() -> Iterator[bytes]:
    for line in sys.stdin.buffer:
        if body := line.rstrip(b"\r\n"):
            yield body


async def post(place: client.Endpoint, bodies: Iterator[bytes], content_type: str) -> int:
    """Post every body; the exit code."""
    import aiohttp

    sent = 0
    headers = {**place.headers, "Content-Type": content_type}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        for body in bodies:
            try:
                async with session.post(place.url, data=body, headers=headers) as response:
                    answer = await response.text()
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                console.say(f"penstock: {place.url} cannot be reached: {error}; {sent} sent")
                return console.UNREACHABLE
            if response.status >= 300:
                console.say(f"penstock: {response.status} {answer[:500]}; {sent} sent")
                return console.FINDINGS
            sent += 1
            if answer:
                print(answer, flush=True)
    console.say(f"{sent} sent")
    return 0
