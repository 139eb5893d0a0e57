"""`penstock tail`: prints the messages of a stream, and goes on where it was after a cut."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock_operator import console
from penstock_operator.cli import client

if TYPE_CHECKING:
    import aiohttp

    from penstock_operator import sse

EXAMPLES = "Examples: `penstock tail orders`, `penstock tail http://127.0.0.1:8080/orders/events --key pen_… -n 10`"
LONGEST_PAUSE = 30.0


def tail(
    target: Annotated[
        str, typer.Argument(help="Address of an SSE stream, or the name of an API that `penstock dev` serves.")
    ],
    key: Annotated[str, typer.Option(envvar="PENSTOCK_KEY", help="The key; with a name, one that fits is found.")] = "",
    count: Annotated[int, typer.Option("--count", "-n", help="End after so many messages; 0 = never.", min=0)] = 0,
    cursor: Annotated[str, typer.Option(help="Go on from this cursor.")] = "",
    state: Annotated[Path, typer.Option(help="State folder of `penstock dev`.")] = Path(".penstock"),
) -> None:
    """Print the data of a stream's events, one message a line; gaps and reconnects are told on standard error."""
    place = client.endpoint(target, key, "sse", state)
    try:
        code = asyncio.run(Reader(place, count, cursor).run())
    except KeyboardInterrupt:
        code = 0
    raise typer.Exit(code)


class Reader:
    """One reader that reconnects."""

    def __init__(self, place: client.Endpoint, count: int, cursor: str) -> None:
        from penstock_operator import sse

        self.place, self.count = place, count
        self.parser = sse.Parser()
        self.parser.last_id = cursor
        self.seen = 0
        self.connected = False

    async def run(self) -> int:
        """Read until enough, refused, or out of reach from the start; the exit code."""
        import aiohttp

        pause = 0.0
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=90)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                try:
                    code = await self._read(session)
                    if code is not None:
                        return code
                    pause = 0.0
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    if not self.connected:
                        console.say(f"penstock: {self.place.url} cannot be reached: {error}")
                        return console.UNREACHABLE
                self.parser.cut()
                pause = min(max(pause * 2, self.parser.retry), LONGEST_PAUSE)
                console.say(f"the connection ended; connecting again in {pause:g} s")
                await asyncio.sleep(pause)

    async def _read(self, session: aiohttp.ClientSession) -> int | None:
        headers = {**self.place.headers, "Accept": "text/event-stream"}
        if self.parser.last_id:
            headers["Last-Event-ID"] = self.parser.last_id
        async with session.get(self.place.url, headers=headers) as response:
            if response.status == 429 and self.connected:
                self.parser.retry = float(response.headers.get("Retry-After", "2"))
                return None
            if response.status != 200:
                console.say(f"penstock: {response.status} {(await response.text())[:500]}")
                return console.FINDINGS
            self.connected = True
            async for chunk in response.content.iter_any():
                for event in self.parser.feed(chunk):
                    self._show(event)
                    if self.count and self.seen >= self.count:
                        return 0
        return None

    def _show(self, event: sse.Event) -> None:
        if event.type == "message":
            self.seen += 1
            print(event.data, flush=True)
        else:
            console.say(f"{event.type}: {event.data}")
