"""A view: all clients of an outlet that speak one wire format. One task writes the same bytes to every client of the pass.

A client is in one of three places. In the *pass* it stands where the view stands. *Catching up*, it stands behind, or has messages
in an order of its own: it gets slices that end where blocks of the ring end, so that clients which come back together share them.
*Paused*, its transport takes nothing more. A write may pause a client before it returns, and between two writes of a pass clients come,
go and pause: `seq` says for each which entries it has.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from penstock_gateway.hub import encoding
from penstock_gateway.hub.clients import Client
from penstock_gateway.hub.encoding import Slice
from penstock_gateway.hub.ring import Ring
from penstock_gateway.hub.wires import Wire
from penstock_gateway.metrics import OutletCounters
from penstock_gateway.positions import NO_PARTS, Cursor, Pen, Vector, merged

log = logging.getLogger(__name__)

_PASS_BYTES = 256 * 1024
_CLIENTS_PER_TURN = 500
_TURN_SECONDS = 0.005
"""How long catching up holds the loop at a time; the pass goes first in between."""
_SLICES_KEPT = 64


class Owner(Protocol):
    """What a view needs of its outlet."""

    ring: Ring
    counters: OutletCounters

    def overrun(self, client: Client) -> None:
        """The ring gave up what this client had yet to get."""

    def lost(self, client: Client) -> None:
        """The client's connection cannot be written to any more."""

    def drained(self) -> None:
        """A view has moved on: writers that wait may go on."""


class View:
    """The clients of one wire format, and where their pass stands."""

    def __init__(self, owner: Owner, wire: Wire, pen: Pen | None, heartbeat: float) -> None:
        self.owner, self.ring, self.wire, self.pen, self.heartbeat = owner, owner.ring, wire, pen, heartbeat
        self.at = Slice(b"", self.ring.next, dict(self.ring.vector), NO_PARTS)
        self._before = self.at
        self.taken = self.ring.total
        """Bytes of the ring this view has passed."""
        self.members: dict[Client, None] = {}
        self.catching: dict[Client, None] = {}
        self.paused: dict[Client, None] = {}
        self._slices: dict[tuple[int, int], Slice] = {}
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._since = 0.0
        self._spoke = False
        self._task: asyncio.Task[None] | None = None
        self._beat: asyncio.TimerHandle | None = None

    # --- clients --------------------------------------------------------------------------------------------------------

    @property
    def clients(self) -> Iterable[Client]:
        """Everybody, wherever they stand."""
        return (*self.members, *self.catching, *self.paused)

    def __len__(self) -> int:
        return len(self.members) + len(self.catching) + len(self.paused)

    def join(self, client: Client) -> None:
        """A client that starts where the view stands."""
        self._start()
        client.own, client.seq = False, self.at.end
        self.members[client] = None

    def catch_up(self, client: Client) -> None:
        """A client that starts at `client.seq` with `client.vector`."""
        self._start()
        self.catching[client] = None
        self._wake.set()

    def leave(self, client: Client) -> None:
        """The client has gone."""
        client.seq = -1
        for group in (self.members, self.catching, self.paused):
            group.pop(client, None)
        if not len(self):
            self._stop()

    def pause(self, client: Client) -> None:
        """The client's transport takes nothing more; it keeps its place."""
        client.paused = True
        if client in self.members:
            del self.members[client]
            place = self.at if client.seq == self.at.end else self._before
            client.vector, client.parts = place.vector, place.parts
        self.catching.pop(client, None)
        if client.seq >= 0:
            self.paused[client] = None

    def resume(self, client: Client) -> None:
        """The client's transport takes bytes again."""
        client.paused = False
        if client in self.paused:
            del self.paused[client]
            self.catching[client] = None
            self._wake.set()

    def renew(self, pen: Pen | None, start: Vector) -> None:
        """Cursors look different from here on: there are new sources, of which everybody has what lies before `start`."""
        self.pen = pen
        self._slices.clear()
        self.at = self.at._replace(vector={**start, **self.at.vector})
        self._before = self._before._replace(vector={**start, **self._before.vector})
        for client in (*self.catching, *self.paused):
            client.vector = {**start, **client.vector}

    def start_over(self, vector: Vector) -> None:
        """Offsets have another meaning from here on: what clients had of their own is forgotten."""
        for client in (*self.catching, *self.paused):
            client.own, client.vector, client.parts = False, dict(vector), NO_PARTS

    # --- the task -------------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """The ring has grown."""
        if not self._wake.is_set():
            self._since = self._loop.time()
            self._wake.set()

    def _start(self) -> None:
        if self._task is not None:
            return
        self.at = self._before = Slice(b"", self.ring.next, dict(self.ring.vector), NO_PARTS)
        self.taken = self.ring.total
        self._task = self._loop.create_task(self._run(), name=f"view {self.wire.name}")
        self.owner.counters.views += 1
        if self.heartbeat > 0:
            self._beat = self._loop.call_later(self.heartbeat, self._heartbeat)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self.owner.counters.views -= 1
        if self._beat is not None:
            self._beat.cancel()
        self._task = self._beat = None
        self._slices.clear()
        self.owner.drained()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._turns()
            except (
                Exception
            ):  # a fault of ours: whoever stays would wait for ever, whoever is cut comes back with its cursor
                log.exception("a pass of %s failed; its clients are cut", self.wire.name)
                for client in self.clients:
                    self.owner.lost(client)

    async def _turns(self) -> None:
        more = True
        while more:
            if self.at.end < self.ring.next:
                await self._pass()
                self.owner.drained()
            more = self._catch_up_some() or self.at.end < self.ring.next
            await asyncio.sleep(0)
        self._slices.clear()

    def _write(self, client: Client, data: bytes) -> None:
        try:
            client.write(data)
        except (RuntimeError, OSError):  # uvloop refuses to write to a handle that is closed but not yet reported lost
            self.owner.lost(client)

    async def _pass(self) -> None:
        """Take what is pending, join it once, write the same bytes to everybody who stands here."""
        self._before, before = self.at, self.at.end
        if before < self.ring.first:  # the ring was started over; what it begins with says so
            self.at = Slice(b"", self.ring.first, dict(self.ring.base), NO_PARTS)
        taken = encoding.shared(self.ring, self.wire, self.pen, self.at, self.ring.next, _PASS_BYTES)
        if taken.end == self.ring.next:
            taken = taken._replace(vector=dict(self.ring.vector))
            self.taken = self.ring.total
        else:
            self.taken += len(taken.data)
        data = self.wire.wrap(taken.data)
        self.at = taken._replace(data=b"")
        self._spoke = self._spoke or bool(data)
        end, since, written = taken.end, self._since, 0
        for number, client in enumerate(tuple(self.members), 1):
            if client.seq == before and not client.paused:
                client.seq = end
                if data:
                    written += 1
                    try:
                        client.write(data)
                    except (RuntimeError, OSError):  # as in _write, without a call per client
                        self.owner.lost(client)
            if number % _CLIENTS_PER_TURN == 0:
                await asyncio.sleep(0)
        if written:
            counters = self.owner.counters
            counters.delivered += written * taken.messages
            counters.delivered_bytes += written * len(data)
            counters.latency.observe(self._loop.time() - since)

    def _catch_up_some(self) -> bool:
        """One slice for some of those who are behind, in turn. True when there is more to do."""
        done = 0
        until = self._loop.time() + _TURN_SECONDS
        for client in tuple(self.catching):
            if done and self._loop.time() > until:
                return True
            if client.seq < 0 or client.paused:
                continue
            if client.seq < self.ring.first:
                self.owner.overrun(client)
                continue
            if client.seq < self.at.end:
                done += 1
                self._send_slice(client)
            if client.seq == self.at.end and not client.paused:
                self._settle(client)
            elif client in self.catching:  # to the end of the queue
                del self.catching[client]
                self.catching[client] = None
        return done > 0

    def _send_slice(self, client: Client) -> None:
        stop = min(self.ring.turn_of(client.seq), self.at.end)
        place = Slice(b"", client.seq, client.vector, client.parts)
        if client.own:
            taken = encoding.own(self.ring, self.wire, self.pen, place, stop)
        else:
            taken = self._shared_slice(place, stop)
        client.seq, client.vector, client.parts = taken.end, taken.vector, taken.parts
        if client.own and _absorbed(taken, self._vector_at(taken.end)):
            client.own = False
        if taken.data:
            self.owner.counters.delivered += taken.messages
            self.owner.counters.delivered_bytes += len(taken.data)
            self._write(client, self.wire.wrap(taken.data))

    def _shared_slice(self, place: Slice, stop: int) -> Slice:
        found = self._slices.get((place.end, stop))
        if found is None:
            if len(self._slices) >= _SLICES_KEPT:
                self._slices.clear()
            found = encoding.shared(self.ring, self.wire, self.pen, place, stop, _PASS_BYTES)
            self._slices[place.end, stop] = found
        return found

    def _settle(self, client: Client) -> None:
        """A client has come to where the view stands: it joins the pass, unless it has more than the view."""
        if client.own and not _absorbed(
            Slice(b"", client.seq, client.vector, client.parts), self._vector_at(client.seq)
        ):
            return
        client.own = False
        if client in self.catching:
            del self.catching[client]
            self.members[client] = None

    def _vector_at(self, seq: int) -> dict[str, int] | None:
        if seq == self.ring.next:
            return self.ring.vector
        found = self.at.vector if seq == self.at.end and not self.at.parts else self.ring.vector_at(seq)
        return dict(found) if found is not None else None

    # --- heartbeats and last words --------------------------------------------------------------------------------------

    def cursor_of(self, client: Client) -> str | None:
        """The freshest cursor that is true for a client; None where the wire format has none."""
        if self.pen is None or not self.wire.resumes:
            return None
        if client in self.members and client.seq == self.at.end:
            self._refresh()
            return self.pen.write(Cursor(self.at.vector, self.at.parts))
        vector = client.vector
        if client.own and client.seq == self.ring.next:
            vector = merged(vector, self.ring.vector)
        return self.pen.write(Cursor(vector, client.parts)) if vector else None

    def _refresh(self) -> None:
        """At the head, messages that were filtered since count as had."""
        if self.at.end == self.ring.next and self.at.vector != self.ring.vector:
            self.at = Slice(b"", self.at.end, dict(self.ring.vector), NO_PARTS)

    def _heartbeat(self) -> None:
        self._beat = self._loop.call_later(self.heartbeat, self._heartbeat)
        spoke, self._spoke = self._spoke, False
        if spoke:
            return
        self._refresh()
        cursor = (
            self.pen.write(Cursor(self.at.vector, self.at.parts))
            if self.pen is not None and self.wire.resumes
            else None
        )
        data = self.wire.wrap(self.wire.heartbeat(cursor))
        if not data:
            return
        for client in tuple(self.members):
            if client.seq == self.at.end:
                self._write(client, data)
        for client in tuple(self.catching):
            if client.seq == self.at.end:
                self._write(client, self.wire.wrap(self.wire.heartbeat(self.cursor_of(client))))


def _absorbed(place: Slice, vector: dict[str, int] | None) -> bool:
    """Whether the ring's vector at a place says all that a client's own one does: from there on it goes with the others."""
    if vector is None or place.parts:
        return False
    return all(vector.get(source, 0) >= offset for source, offset in place.vector.items())
