"""The outlet of a Compete stream: each batch goes to one client, in turn, and counts as delivered when that client's buffer is empty again.

A batch whose client dies before that returns to the head of the line. Without clients a write waits: the input feels it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from penstock_gateway.delivery import DeliveryPlan, Mode
from penstock_gateway.errors import Stopping
from penstock_gateway.hub.clients import Client, Grant, Verdict
from penstock_gateway.hub.gate import WantedGate
from penstock_gateway.hub.wires import Wire, batch_of
from penstock_gateway.message import Batch
from penstock_gateway.metrics import OutletCounters
from penstock_gateway.positions import Claim, CursorError
from penstock_gateway.registry import Begin, OutletOptions

log = logging.getLogger(__name__)

_STALL_SECONDS = 30.0
_SWEEP_SECONDS = 1.0


class Job:
    """A batch on its way to one client."""

    __slots__ = ("bodies", "done")

    def __init__(self, bodies: list[bytes], done: asyncio.Future[None]) -> None:
        self.bodies, self.done = bodies, done


class Taker:
    """A request that waits for one batch (GET). `alive` tells whether its client is still there."""

    __slots__ = ("alive", "grant", "job")

    def __init__(self, grant: Grant, alive: Callable[[], bool], job: asyncio.Future[Job | None]) -> None:
        self.grant, self.alive, self.job = grant, alive, job


class CompeteOutlet:
    """Each message reaches exactly one client."""

    mode = Mode.COMPETE
    exact = True
    """Whether links report every byte that waits."""
    resumes = False
    ready = True

    def __init__(self, stream: str, options: OutletOptions, plan: DeliveryPlan, counters: OutletCounters) -> None:
        self.counters = counters
        self.stream, self.options, self.plan = stream, options, plan
        self.closed = False
        self.parted = asyncio.Event()
        """After the end of the stream, a client has heard of it."""
        self.wanted = WantedGate()
        self._loop = asyncio.get_running_loop()
        self._line: deque[Job] = deque()
        self._idle: dict[Client | Taker, None] = {}
        self._busy: dict[Client | Taker, Job] = {}
        self._wires: dict[Client, Wire] = {}
        self._takers: dict[Taker, None] = {}
        self._quiet: dict[Client, None] = {}
        self._beat: asyncio.TimerHandle | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<CompeteOutlet {self.stream}: {len(self._wires)} clients, {len(self._busy)} busy, {len(self._line)} waiting>"

    # --- the engine's side ----------------------------------------------------------------------------------------------

    def renew(self, options: OutletOptions, plan: DeliveryPlan) -> None:
        """A new instance of the stream takes over; clients stay."""
        self.options, self.plan = options, plan

    async def write(self, batch: Batch) -> None:
        """Returns when one client has the batch; raises Stopping."""
        if self.closed:
            raise Stopping("the stream has ended")
        self.counters.received += len(batch)
        job = Job([message.raw for message in batch], self._loop.create_future())
        self._line.append(job)
        self._assign()
        try:
            await job.done
        finally:
            if job in self._line:  # the writer was cancelled
                self._line.remove(job)

    def begin(self, begin: Begin) -> None:
        """Positions mean nothing here."""

    def advance(self, position: Mapping[str, int]) -> None:
        """Positions mean nothing here."""

    def close(self) -> None:
        """The stream is gone: all clients are let go, and writers give up."""
        self.closed = True
        for client, wire in tuple(self._wires.items()):
            self._dismiss(client, wire.end(), "ended")
            self.parted.set()
        for taker in tuple(self._takers):
            if not taker.job.done():
                taker.job.set_result(None)
        for job in self._line:
            if not job.done.done():
                job.done.set_exception(Stopping("the stream has ended"))
        self._line.clear()

    # --- the clients' side ----------------------------------------------------------------------------------------------

    @property
    def clients(self) -> Sequence[Client]:
        """All connected clients; requests that wait for one batch are not among them."""
        return tuple(self._wires)

    def claim(self, text: str) -> Claim:
        """A competing client has no position: always a CursorError."""
        raise CursorError(
            "foreign", f"{len(text)} characters of cursor, but this stream does not resume: its clients compete"
        )

    def admit(
        self, client: Client, wire: Wire, claim: Claim | None = None, fault: str = "", heartbeat: float = 0.0
    ) -> None:
        """Let a client in. `claim` is always None here. A `fault` makes the client forget its cursor."""
        assert claim is None
        self._wires[client] = wire
        self.counters.connections.add(wire.protocol)
        self.counters.opened.add(wire.protocol)
        self._quiet[client] = None
        if fault and (words := wire.gap(None, "", fault)):
            client.write(wire.wrap(words))
        beat = heartbeat or self.options.heartbeat or self.plan.heartbeat
        if self._beat is None and beat > 0:
            self._beat = self._loop.call_later(beat, self._heartbeat, beat)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
        self.wanted.enter()
        self._free(client)

    def take(self, grant: Grant, alive: Callable[[], bool]) -> Taker:
        """A request that waits for one batch: `taker.job` has it in time, or None when the stream ends; then `settle` or `leave`."""
        taker = Taker(grant, alive, self._loop.create_future())
        self._takers[taker] = None
        self.counters.connections.add("poll")
        self.counters.opened.add("poll")
        self.wanted.enter()
        self._free(taker)
        return taker

    def settle(self, taker: Taker) -> None:
        """The taker's client has the batch."""
        self._delivered(taker)
        self.leave(taker)

    def leave(self, client: Client | Taker) -> None:
        """The client has gone; what it did not get is the next to go out."""
        self._idle.pop(client, None)
        if isinstance(client, Taker):
            if client in self._takers:
                del self._takers[client]
                self.counters.connections.add("poll", -1)
        elif client in self._wires:
            self.counters.connections.add(self._wires.pop(client).protocol, -1)
            self._quiet.pop(client, None)
        job = self._busy.pop(client, None)
        if job is not None and not job.done.done():
            if self.closed:
                job.done.set_exception(Stopping("the stream has ended"))
            else:
                self._line.appendleft(job)
                self._assign()
        if not self._wires and not self._takers:
            self.wanted.empty()

    def pause(self, client: Client) -> None:
        """Something is still in the client's buffer."""
        client.paused = True
        client.since, client.held = self._loop.time(), client.link.buffered()
        self._idle.pop(client, None)

    def resume(self, client: Client) -> None:
        """The client's buffer is empty again: what was on its way counts as delivered."""
        client.paused = False
        self._delivered(client)
        if client in self._wires:
            self._free(client)

    def close_clients(self, verdict: Verdict) -> int:
        """Close the clients for which a reason comes back; how many."""
        closed = 0
        for client, wire in tuple(self._wires.items()):
            reason = verdict(client.grant)
            if reason is not None:
                self._dismiss(client, wire.limit(reason), "access")
                closed += 1
        for taker in tuple(self._takers):
            if verdict(taker.grant) is not None and not taker.job.done():
                self._idle.pop(taker, None)
                taker.job.set_result(None)
                closed += 1
        return closed

    def move_off(self, client: Client, retry: float) -> None:
        """Ask one client to come back after `retry` seconds, elsewhere."""
        wire = self._wires.get(client)
        if wire is not None:
            self._dismiss(client, wire.farewell(retry, None), "moved")

    def release(self) -> None:
        """Let requests that wait for a batch go without one: the gateway is about to stop."""
        for taker in tuple(self._takers):
            if not taker.job.done():
                self._idle.pop(taker, None)
                taker.job.set_result(Job([], self._loop.create_future()))

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _free(self, client: Client | Taker) -> None:
        """The client stands at the end of the queue of those who can take a batch."""
        self._idle[client] = None
        self._assign()

    def _assign(self) -> None:
        while self._line and self._idle:
            client = next(iter(self._idle))
            del self._idle[client]
            if isinstance(client, Taker):
                if client.job.done() or not client.alive():
                    continue
                job = self._busy[client] = self._line.popleft()
                client.job.set_result(job)
                continue
            wire = self._wires[client]
            job = self._busy[client] = self._line.popleft()
            self._quiet.pop(client, None)
            try:
                client.write(batch_of(wire, job.bodies))
            except (RuntimeError, OSError):  # closed, but not yet reported lost
                self._line.appendleft(self._busy.pop(client))
                self._loop.call_soon(client.link.abort)
                continue
            if not client.paused and not client.link.buffered():
                self._delivered(client)
                self._idle[client] = None

    def _delivered(self, client: Client | Taker) -> None:
        job = self._busy.pop(client, None)
        if job is not None and not job.done.done():
            self.counters.delivered += len(job.bodies)
            self.counters.delivered_bytes += sum(map(len, job.bodies))
            job.done.set_result(None)

    def _dismiss(self, client: Client, words: bytes, reason: str) -> None:
        paused = client.paused
        self.leave(client)
        self.counters.closed.add(reason)
        if paused:
            client.link.abort()
        else:
            client.link.finish(words)

    def _heartbeat(self, seconds: float) -> None:
        """Clients that got nothing since the last time hear that the stream is alive."""
        self._beat = self._loop.call_later(seconds, self._heartbeat, seconds) if self._wires else None
        for client in tuple(self._quiet):
            wire = self._wires[client]
            data = wire.wrap(wire.heartbeat(None))
            try:
                if data and not client.paused:
                    client.write(data)
            except (RuntimeError, OSError):  # closed, but not yet reported lost
                self._loop.call_soon(client.link.abort)
        self._quiet = dict.fromkeys(self._wires)

    def _sweep(self) -> None:
        """Once a second: connections whose time is over, and clients that took no byte for 30 s."""
        now = self._loop.time()
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep) if self._wires else None
        for client, wire in tuple(self._wires.items()):
            expires = client.grant.expires
            if expires is not None and now >= expires:
                self._dismiss(client, wire.limit("Expired"), "expired")
            elif client.paused:
                buffered = client.link.buffered()
                if buffered != client.held:
                    client.held, client.since = buffered, now
                elif now - client.since >= _STALL_SECONDS:
                    log.info(
                        "stream %s: client of %s let go: stalled", self.stream, client.grant.consumer or "anonymous"
                    )
                    self._dismiss(client, b"", "stalled")
