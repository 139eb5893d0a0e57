"""A client of an outlet: what access granted it, the link its bytes go through, and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from penstock_gateway.positions import NO_PARTS


class Grant(Protocol):
    """What access decided about a connection."""

    consumer: str
    """The public name of the key (`namespace/name`), "" without one."""
    expires: float | None
    """The instant of the loop's clock when the connection must end; None = never."""


class Link(Protocol):
    """The way to a client, as the HTTP side made it. Nothing here waits."""

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport; it may report a pause before this returns."""

    def buffered(self) -> int:
        """Bytes the kernel has not taken yet."""

    def finish(self, data: bytes) -> None:
        """Send the last bytes, then end the response in order."""

    def abort(self) -> None:
        """Cut the connection at once."""


Verdict = Callable[[Grant], str | None]
"""Looks at a client's grant; a text is the reason why it must go."""


class Client:
    """One connection to an outlet. `seq` is the ring entry it gets next (-1: it has left).

    `vector` is what it has when it is outside the pass: shared with others at the same place, or with `own` a vector of its own, because
    another replica gave it messages in another order.
    """

    __slots__ = ("ahead", "grant", "held", "link", "own", "parts", "paused", "seq", "since", "vector", "write")

    def __init__(self, grant: Grant, link: Link) -> None:
        self.grant, self.link = grant, link
        self.write = link.write
        self.seq = 0
        self.own = False
        self.vector: dict[str, int] = {}
        self.parts: Mapping[str, int] = NO_PARTS
        self.ahead = 0.0
        """Since when it has had more than this replica; 0 = it has not."""
        self.paused = False
        self.held = 0
        """Bytes that were buffered when the last sweep looked."""
        self.since = 0.0
        """When the transport last took a byte of a paused client."""

    def __repr__(self) -> str:
        state = " paused" if self.paused else (" in its own order" if self.own else "")
        return f"<Client {self.grant.consumer or 'anonymous'} at {self.seq}{state}>"
