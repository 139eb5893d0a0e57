"""The outlet of a Broadcast stream: one ring, one view for each wire format, and the rules for those who come, stall and go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from penstock_gateway.delivery import DeliveryPlan, Guarantee, Mode
from penstock_gateway.hub.clients import Client, Grant, Verdict
from penstock_gateway.hub.gate import WantedGate
from penstock_gateway.hub.polling import Page, Poll
from penstock_gateway.hub.ring import Frame, Ring
from penstock_gateway.hub.views import View
from penstock_gateway.hub.wires import Wire
from penstock_gateway.message import Batch
from penstock_gateway.metrics import OutletCounters
from penstock_gateway.positions import (
    Claim,
    Cursor,
    CursorError,
    Layout,
    Match,
    Pen,
    Seal,
    Vector,
    behind,
    fingerprint,
    merged,
    topic_of,
)
from penstock_gateway.registry import Begin, OutletOptions

log = logging.getLogger(__name__)

_STALL_SECONDS = 30.0
_SWEEP_SECONDS = 1.0
_LEAST_SECONDS, _LEAST_BYTES = 5.0, 64 * 1024
_PENDING_BYTES = 8 * 1024 * 1024


class BroadcastOutlet:
    """Every client gets every message. With Resume, frames wait until `advance` says that their source messages are complete."""

    mode = Mode.BROADCAST
    exact = False
    """Whether links report every byte that waits."""

    def __init__(
        self, stream: str, options: OutletOptions, plan: DeliveryPlan, seal: Seal, counters: OutletCounters
    ) -> None:
        self.counters = counters
        self.stream, self.options, self.plan = stream, options, plan
        self.resumes = plan.guarantee is Guarantee.RESUME
        self._loop = asyncio.get_running_loop()
        self.ring = Ring(*self._bounds(), self._loop.time())
        self.views: dict[str, View] = {}
        self.closed = False
        self.wanted = WantedGate(opened=True)
        self._counted = (0, 0)
        self._seal = seal
        self._layout = Layout()
        self._epochs: dict[str, str] = {}
        self._heads: dict[str, int] = {}
        self._begun = False
        self._ready = not self.resumes
        self._held: list[Frame] = []
        self._waiting: dict[Client, tuple[View, Claim | None]] = {}
        self._where: dict[Client, View] = {}
        self._polls: dict[Poll, Grant] = {}
        self._room = asyncio.Event()
        self._sweeper: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<BroadcastOutlet {self.stream}: {len(self._where)} clients, ring {self.ring.first}..{self.ring.next}>"

    # --- the engine's side ----------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether the log's end as seen at the start has been reached, so that the ring holds the whole history."""
        return self._ready

    def renew(self, options: OutletOptions, plan: DeliveryPlan) -> None:
        """A new instance of the stream takes over; clients and history stay. What the old one had not completed comes again."""
        self.options, self.plan = options, plan
        self.ring.history, self.ring.size = self._bounds()
        for view in self.views.values():
            view.heartbeat = options.heartbeat or plan.heartbeat
        self._held.clear()
        self._rewrite({})

    def _bounds(self) -> tuple[float, int]:
        """Seconds and bytes the ring keeps. However short the history: readers that pause for a moment must not be overrun at once.
        Live keeps no history, only what a slow reader may still catch up with."""
        seconds = self.plan.history if self.resumes else min(self.plan.history, _STALL_SECONDS)
        return max(seconds, _LEAST_SECONDS), max(self.plan.size, _LEAST_BYTES)

    async def write(self, batch: Batch) -> None:
        """Take frames. Returns at once unless a pass is far behind."""
        self.counters.received += len(batch)
        frames = []
        for message in batch:
            origin = message.origin
            frames.append(
                Frame(message.raw, origin.source if origin else "", origin.offset if origin else 0, ends=False)
            )
        if len(frames) > 1:
            frames[-1].ends = True
        if self.resumes:
            vector = self.ring.vector
            self._held += [frame for frame in frames if not frame.source or frame.offset >= vector.get(frame.source, 0)]
        else:
            self.ring.append(frames, self._loop.time())
            self._woken()
        while self._pending() > _PENDING_BYTES and not self.closed:
            self._room.clear()
            await self._room.wait()

    def begin(self, begin: Begin) -> None:
        """Where an input starts: new sources are learned, a jump is a gap, a log made anew or cut back starts everything over."""
        now, ring = self._loop.time(), self.ring
        known = {source: offset for source, offset in begin.start.items() if source in ring.vector}
        anew = {
            source
            for source in known
            if begin.epochs.get(topic_of(source), "") != self._epochs.get(topic_of(source), "")
            or begin.head.get(source, ring.vector[source]) < ring.vector[source]
        }
        before = dict(ring.vector)
        self._epochs.update(begin.epochs)
        new = {source: offset for source, offset in begin.start.items() if source not in ring.vector}
        ring.learn(new)
        if anew:
            ring.reset({**ring.vector, **{source: begin.start[source] for source in anew}}, now)
            ring.hole(before, {source: begin.start[source] for source in anew}, "recreated", now)
            for view in self.views.values():
                view.start_over(before)
            self._held = [frame for frame in self._held if frame.source not in anew]
        jumped = {source: offset for source, offset in known.items() if source not in anew and offset > before[source]}
        if jumped:
            ring.hole(before, jumped, "skipped", now)
        self._heads.update(begin.head)
        self._begun = True
        self._rewrite(new)
        self._check_ready()
        waiting, self._waiting = self._waiting, {}
        for client, (view, claim) in waiting.items():
            self._place(client, view, claim)
        self._woken()

    def advance(self, position: Mapping[str, int]) -> None:
        """Everything before `position` was written: its frames enter the ring."""
        if not self.resumes:
            return
        held = self._held
        ripe = [frame for frame in held if frame.offset < position.get(frame.source, 0) or not frame.source]
        self._held = (
            [frame for frame in held if frame.offset >= position.get(frame.source, 0) and frame.source]
            if len(ripe) < len(held)
            else []
        )
        now = self._loop.time()
        self.ring.complete(ripe, position, self.plan.shape == "n:m", now)
        self._check_ready()
        self._woken()

    def close(self) -> None:
        """The stream is gone: all clients are let go."""
        self.closed = True
        for client in tuple(self._where):
            self._dismiss(client, self._where[client].wire.end(), "ended")
        for poll in self._polls:
            poll.woken.set()
        self._room.set()
        self.counters.ring_messages -= self._counted[0]
        self.counters.ring_bytes -= self._counted[1]
        self._counted = (0, 0)

    # --- the clients' side ----------------------------------------------------------------------------------------------

    @property
    def clients(self) -> Sequence[Client]:
        """All connected clients."""
        return tuple(self._where)

    def claim(self, text: str) -> Claim:
        """What a cursor says; raises CursorError."""
        if not self.resumes:
            raise CursorError("foreign", "this stream does not resume: its delivery guarantee is Live")
        return self._seal.open(text)

    def admit(
        self, client: Client, wire: Wire, claim: Claim | None = None, fault: str = "", heartbeat: float = 0.0
    ) -> None:
        """Let a client in. `fault`: it brought a cursor that cannot be used, and must be told that messages may be missing.
        `heartbeat` in seconds, 0 = as the stream has it; the first client of a wire format decides for all of them."""
        view = self.views.get(wire.name)
        if view is None:
            view = self.views[wire.name] = View(
                self, wire, self._pen() if self.resumes else None, self.plan.heartbeat or self.options.heartbeat
            )
        self._where[client] = view
        self.counters.connections.add(wire.protocol)
        self.counters.opened.add(wire.protocol)
        if fault and (words := wire.gap(None, self._here(), fault)):
            client.write(wire.wrap(words))
            self.counters.gaps.add(fault)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
        if self.resumes and not self._begun:
            self._waiting[client] = (view, claim)
        else:
            self._place(client, view, claim)

    async def poll(self, grant: Grant, claim: Claim | None, timeout: float) -> Page | None:  # noqa: ASYNC109 (an answer, not a failure)
        """What came since a cursor, or comes next; without bodies after `timeout` seconds, None when the stream or the right has ended."""
        poll = Poll(self.ring.next)
        self._polls[poll] = grant
        self.counters.connections.add("poll")
        self.counters.opened.add("poll")
        end = self._loop.time() + timeout
        try:
            while not self.closed and poll in self._polls:
                if self.resumes and self._begun and poll.cursor is None:
                    self._start_poll(poll, claim)
                page = (
                    poll.page(self.ring, self._pen() if self.resumes else None)
                    if poll.cursor or not self.resumes
                    else None
                )
                if page is not None:
                    self.counters.delivered += len(page.bodies)
                    self.counters.delivered_bytes += sum(map(len, page.bodies))
                    return page
                poll.woken.clear()
                try:
                    await asyncio.wait_for(poll.woken.wait(), 0 if poll.released else end - self._loop.time())
                except TimeoutError:
                    return Page([], self._pen().write(poll.cursor) if poll.cursor else "")
            return None
        finally:
            self._polls.pop(poll, None)
            self.counters.connections.add("poll", -1)

    def release(self) -> None:
        """Let requests that wait go with an empty page: the gateway is about to stop."""
        for poll in self._polls:
            poll.released = True
            poll.woken.set()

    def _start_poll(self, poll: Poll, claim: Claim | None) -> None:
        if claim is None:
            poll.cursor = Cursor(dict(self.ring.vector) if self._ready else merged(self.ring.vector, self._heads))
        else:
            _, poll.cursor, poll.gap = self._resumed(claim.match(self._layout, fingerprint(self.plan.pipeline)))

    def leave(self, client: Client) -> None:
        """The client has gone."""
        view = self._where.pop(client, None)
        self._waiting.pop(client, None)
        if view is not None:
            self.counters.connections.add(view.wire.protocol, -1)
            view.leave(client)

    def pause(self, client: Client) -> None:
        """The client's transport takes nothing more."""
        view = self._where.get(client)
        client.since, client.held = self._loop.time(), client.link.buffered()
        if view is not None and client not in self._waiting:
            view.pause(client)

    def resume(self, client: Client) -> None:
        """The client's transport takes bytes again."""
        view = self._where.get(client)
        if view is not None and client not in self._waiting:
            view.resume(client)

    def close_clients(self, verdict: Verdict) -> int:
        """Close the clients for which a reason comes back; how many."""
        closed = 0
        for client in tuple(self._where):
            reason = verdict(client.grant)
            if reason is not None:
                self._dismiss(client, self._where[client].wire.limit(reason), "access")
                closed += 1
        for poll, grant in tuple(self._polls.items()):
            if verdict(grant) is not None:
                del self._polls[poll]
                poll.woken.set()
                closed += 1
        return closed

    def move_off(self, client: Client, retry: float) -> None:
        """Ask one client to come back after `retry` seconds, elsewhere."""
        view = self._where.get(client)
        if view is not None:
            self._dismiss(client, view.wire.farewell(retry, view.cursor_of(client)), "moved")

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _place(self, client: Client, view: View, claim: Claim | None) -> None:
        wire = view.wire
        if claim is not None and wire.resumes:
            match = claim.match(self._layout, fingerprint(self.plan.pipeline))
            self._return(client, view, match)
            return
        cursor = Cursor(self.ring.vector)
        if self.resumes and not self._ready:
            # What was there before it came is history, though this replica has yet to read it.
            cursor = Cursor(merged(self.ring.vector, self._heads))
            self._locate(client, view, cursor)
        else:
            view.join(client)
            cursor = Cursor(view.at.vector, view.at.parts)
        if self.resumes and wire.resumes:  # so that one who is cut before the first message can return
            client.write(wire.wrap(wire.heartbeat(self._pen().write(cursor))))

    def _return(self, client: Client, view: View, match: Match) -> None:
        """A client comes back: tell it what is lost, and go on with what it does not have."""
        before, cursor, reason = self._resumed(match)
        if reason:
            self.counters.gaps.add(reason)
            pen = self._pen()
            client.write(view.wire.wrap(view.wire.gap(pen.write(before), pen.write(cursor), reason)))
        self._locate(client, view, cursor)

    def _resumed(self, match: Match) -> tuple[Cursor, Cursor, str]:
        """What a returning client has, where it goes on, and why that is not the same ("" when it is)."""
        base = self.ring.base
        vector = {source: match.cursor.vector.get(source, base.get(source, 0)) for source in self.ring.vector}
        lost = behind(vector, base)
        reason = "recreated" if match.renewed else "configuration" if match.strange else "history" if lost else ""
        parts = {source: k for source, k in match.cursor.parts.items() if source not in lost}
        return Cursor(vector), Cursor(merged(vector, base), parts), reason

    def _locate(self, client: Client, view: View, cursor: Cursor) -> None:
        client.seq, _ = self.ring.locate(cursor)
        client.vector, client.parts, client.own = dict(cursor.vector), cursor.parts, True
        view.catch_up(client)

    def _dismiss(self, client: Client, words: bytes, reason: str) -> None:
        paused = client.paused
        self.leave(client)
        self.counters.closed.add(reason)
        if paused:
            client.link.abort()  # its buffer is full: last words would not reach it
        else:
            client.link.finish(words)

    def overrun(self, client: Client) -> None:
        """The ring gave up what this client had yet to get; it comes back with its cursor and learns of the gap then."""
        self._cut(client, "slow")

    def lost(self, client: Client) -> None:
        """The client's connection cannot be written to any more."""
        self._cut(client, "lost")

    def _cut(self, client: Client, reason: str) -> None:
        log.info("stream %s: client of %s let go: %s", self.stream, client.grant.consumer or "anonymous", reason)
        self.leave(client)
        self.counters.closed.add(reason)
        self._loop.call_soon(client.link.abort)  # not inside a transport's own callback

    def drained(self) -> None:
        """A view has moved on."""
        self._room.set()
        self._trim()

    def _pending(self) -> int:
        return max((self.ring.total - view.taken for view in self.views.values() if len(view)), default=0)

    def _woken(self) -> None:
        for view in self.views.values():
            if len(view):
                view.wake()
        for poll in self._polls:
            poll.woken.set()
        self._trim()

    def _trim(self) -> None:
        passed = min((view.at.end for view in self.views.values() if len(view)), default=self.ring.next)
        needed = min((poll.seq for poll in self._polls), default=passed)
        needed = min(needed, passed)
        now = self._loop.time()
        self.ring.trim(needed, now)
        counters, (messages, size) = self.counters, self._counted
        self._counted = (self.ring.next - self.ring.first, self.ring.bytes)
        counters.ring_messages += self._counted[0] - messages
        counters.ring_bytes += self._counted[1] - size
        counters.ring_span = self.ring.span(now)

    def _here(self) -> str:
        return self._pen().write(Cursor(self.ring.vector)) if self.resumes else ""

    def _pen(self) -> Pen:
        return Pen(self._seal, self._layout, fingerprint(self.plan.pipeline))

    def _rewrite(self, start: Vector) -> None:
        """Sources, epochs or the pipeline changed: cursors look different from here on."""
        self._layout = Layout(self.ring.vector, self._epochs)
        for view in self.views.values():
            view.renew(self._pen() if self.resumes else None, start)

    def _check_ready(self) -> None:
        if not self._ready and self._begun:
            vector = self.ring.vector
            self._ready = all(vector.get(source, 0) >= offset for source, offset in self._heads.items())

    def _sweep(self) -> None:
        """Once a second: connections whose time is over, clients that took no byte for 30 s, entries past the history."""
        now = self._loop.time()
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep) if self._where else None
        for client in tuple(self._where):
            expires = client.grant.expires
            if expires is not None and now >= expires:
                self._dismiss(client, self._where[client].wire.limit("Expired"), "expired")
            elif client.paused:
                self._check_stall(client, now)
        self._trim()

    def _check_stall(self, client: Client, now: float) -> None:
        buffered = client.link.buffered()
        if buffered != client.held:
            client.held, client.since = buffered, now
        elif now - client.since >= _STALL_SECONDS:
            self._cut(client, "stalled")
        elif 0 <= client.seq < self.ring.first:
            self._cut(client, "slow")
