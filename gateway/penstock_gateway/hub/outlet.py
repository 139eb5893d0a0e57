"""The outlet of a Broadcast stream: one ring, one view for each wire format, and the rules for those who come, stall and go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from penstock_gateway.delivery import DeliveryPlan, Mode
from penstock_gateway.hub.clients import Client, Grant, Verdict
from penstock_gateway.hub.gate import WantedGate
from penstock_gateway.hub.polling import Page, Poll
from penstock_gateway.hub.progress import STALL_SECONDS, Progress
from penstock_gateway.hub.views import View
from penstock_gateway.hub.wires import Wire
from penstock_gateway.message import Batch
from penstock_gateway.metrics import OutletCounters
from penstock_gateway.positions import NO_PARTS, Claim, Cursor, CursorError, Seal, Vector, ahead
from penstock_gateway.registry import Begin, OutletOptions

log = logging.getLogger(__name__)

_SWEEP_SECONDS = 1.0
AHEAD_SECONDS = 60.0
"""How long a client may wait for a replica to come to where the client is already."""
_PENDING_BYTES = 8 * 1024 * 1024
"""What may lie before the slowest pass until writers wait for it."""


class BroadcastOutlet:
    """Every client gets every message."""

    mode = Mode.BROADCAST
    exact = False
    """Whether links report every byte that waits."""

    def __init__(
        self, stream: str, options: OutletOptions, plan: DeliveryPlan, seal: Seal, counters: OutletCounters
    ) -> None:
        self.stream, self.options, self.plan, self.counters = stream, options, plan, counters
        self._loop = asyncio.get_running_loop()
        self.progress = Progress(plan, seal, self._loop.time())
        self.resumes = self.progress.resumes
        self.ring = self.progress.ring
        self.views: dict[str, View] = {}
        self.closed = False
        self.parted = asyncio.Event()
        """After the end of the stream, a client has heard of it."""
        self.wanted = WantedGate(opened=True)
        self._where: dict[Client, View] = {}
        self._waiting: dict[Client, Claim | None] = {}
        """Who came before the input said where it starts."""
        self._polls: dict[Poll, Grant] = {}
        self._room = asyncio.Event()
        self._sweeper: asyncio.TimerHandle | None = None
        self._counted = (0, 0)

    def __repr__(self) -> str:
        return f"<BroadcastOutlet {self.stream}: {len(self._where)} clients, ring {self.ring.first}..{self.ring.next}>"

    # --- the engine's side ----------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether the ring holds the whole history."""
        return self.progress.ready

    def renew(self, options: OutletOptions, plan: DeliveryPlan) -> None:
        """A new instance of the stream takes over; clients and history stay."""
        self.options, self.plan = options, plan
        self.progress.renew(plan)
        for view in self.views.values():
            view.heartbeat = options.heartbeat or plan.heartbeat
        self._rewrite({})

    async def write(self, batch: Batch) -> None:
        """Take messages. Returns at once unless a pass is far behind."""
        self.counters.received += len(batch)
        self.progress.write(batch, self._loop.time())
        if not self.resumes:
            self._woken()
        while self._pending() > _PENDING_BYTES and not self.closed:
            self._room.clear()
            await self._room.wait()

    def begin(self, begin: Begin) -> None:
        """Where an input starts; again whenever its sources change or it had to jump."""
        started = self.progress.begin(begin, self._loop.time())
        if started.before is not None:
            for view in self.views.values():
                view.start_over(started.before)
        self._rewrite(started.new)
        waiting, self._waiting = self._waiting, {}
        for client, claim in waiting.items():
            self._place(client, self._where[client], claim)
        self._woken()

    def advance(self, position: Mapping[str, int]) -> None:
        """Everything before `position` was written: its frames enter the ring."""
        if self.resumes:
            self.progress.advance(position, self._loop.time())
            self._woken()

    def close(self) -> None:
        """The stream is gone: all clients are let go."""
        self.closed = True
        for client, view in tuple(self._where.items()):
            self._dismiss(client, view.wire.end(), "ended")
            self.parted.set()
        for poll in self._polls:
            poll.woken.set()
        self._room.set()
        self._count(0, 0)

    # --- readers --------------------------------------------------------------------------------------------------------

    @property
    def clients(self) -> Sequence[Client]:
        """All connected clients; requests that wait for a page are not among them."""
        return tuple(self._where)

    def claim(self, text: str) -> Claim:
        """What a cursor says; raises CursorError."""
        if not self.resumes:
            raise CursorError("foreign", "this stream does not resume: its delivery guarantee is Live")
        return self.progress.claim(text)

    def admit(
        self, client: Client, wire: Wire, claim: Claim | None = None, fault: str = "", heartbeat: float = 0.0
    ) -> None:
        """Let a client in. `fault`: it brought a cursor that cannot be used, and must be told that messages may be missing.
        `heartbeat` in seconds, 0 = as the stream has it; the first client of a wire format decides for all of them."""
        view = self.views.get(wire.name)
        if view is None:
            beat = heartbeat or self.options.heartbeat or self.plan.heartbeat
            view = self.views[wire.name] = View(self, wire, self.progress.pen(), beat)
        self._where[client] = view
        self.counters.connections.add(wire.protocol)
        self.counters.opened.add(wire.protocol)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
        if fault and (words := wire.gap(None, self.progress.text(Cursor(self.ring.vector)), fault)):
            client.write(wire.wrap(words))
            self.counters.gaps.add(fault)
        if self.resumes and not self.progress.begun:
            self._waiting[client] = claim
        else:
            self._place(client, view, claim)

    def leave(self, client: Client) -> None:
        """The client has gone."""
        view = self._where.pop(client, None)
        self._waiting.pop(client, None)
        if view is not None:
            self.counters.connections.add(view.wire.protocol, -1)
            view.leave(client)

    def pause(self, client: Client) -> None:
        """The client's transport takes nothing more."""
        client.since, client.held = self._loop.time(), client.link.buffered()
        if client in self._where and client not in self._waiting:
            self._where[client].pause(client)

    def resume(self, client: Client) -> None:
        """The client's transport takes bytes again."""
        if client in self._where and client not in self._waiting:
            self._where[client].resume(client)

    def _place(self, client: Client, view: View, claim: Claim | None) -> None:
        """Where a client starts: behind its cursor, or with what comes next."""
        wire, progress = view.wire, self.progress
        if claim is not None and wire.resumes:
            has, cursor, gap = progress.returned(claim)
            if gap:
                self.counters.gaps.add(gap)
                client.write(wire.wrap(wire.gap(progress.text(has), progress.text(cursor), gap)))
            self._locate(client, view, cursor)
            return
        if progress.ready:
            view.join(client)
            cursor = Cursor(view.at.vector, view.at.parts)
        else:
            cursor = progress.now_here()
            self._locate(client, view, cursor)
        if self.resumes and wire.resumes:  # so that one who is cut before the first message can return
            client.write(wire.wrap(wire.heartbeat(progress.text(cursor))))

    def _locate(self, client: Client, view: View, cursor: Cursor) -> None:
        client.seq = self.ring.locate(cursor)
        client.vector, client.parts, client.own = dict(cursor.vector), cursor.parts, True
        view.catch_up(client)

    # --- requests for a page --------------------------------------------------------------------------------------------

    async def poll(self, grant: Grant, claim: Claim | None, seconds: float) -> Page | None:
        """What came since a cursor, or comes next; a page without bodies after `seconds`, None when the stream or the right has ended."""
        poll = Poll(self.ring.next)
        self._polls[poll] = grant
        self.counters.connections.add("poll")
        self.counters.opened.add("poll")
        end = self._loop.time() + seconds
        try:
            while not self.closed and poll in self._polls:
                page = self._page(poll, claim)
                if page is not None:
                    self.counters.delivered += len(page.bodies)
                    self.counters.delivered_bytes += sum(map(len, page.bodies))
                    return page
                poll.woken.clear()
                try:
                    await asyncio.wait_for(poll.woken.wait(), 0 if poll.released else end - self._loop.time())
                except TimeoutError:
                    return Page([], self.progress.text(poll.cursor) if poll.cursor else "")
            return None
        finally:
            self._polls.pop(poll, None)
            self.counters.connections.add("poll", -1)

    def _page(self, poll: Poll, claim: Claim | None) -> Page | None:
        """What there is for a request now."""
        if self.resumes and poll.cursor is None:
            if not self.progress.begun:
                return None
            if claim is None:
                poll.cursor = self.progress.now_here()
            else:
                _, poll.cursor, poll.gap = self.progress.returned(claim)
        return poll.page(self.ring, self.progress.pen())

    def release(self) -> None:
        """Let requests that wait go with an empty page: the gateway is about to stop."""
        for poll in self._polls:
            poll.released = True
            poll.woken.set()

    # --- letting clients go ---------------------------------------------------------------------------------------------

    def close_clients(self, verdict: Verdict) -> int:
        """Close the clients for which a reason comes back; how many."""
        closed = 0
        for client, view in tuple(self._where.items()):
            reason = verdict(client.grant)
            if reason is not None:
                self._dismiss(client, view.wire.limit(reason), "access")
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

    def overrun(self, client: Client) -> None:
        """The ring gave up what this client had yet to get; it comes back with its cursor and learns of the gap then."""
        self._cut(client, "slow")

    def lost(self, client: Client) -> None:
        """The client's connection cannot be written to any more."""
        self._cut(client, "lost")

    def _dismiss(self, client: Client, words: bytes, reason: str) -> None:
        paused = client.paused
        self.leave(client)
        self.counters.closed.add(reason)
        if paused:
            client.link.abort()  # its buffer is full: last words would not reach it
        else:
            client.link.finish(words)

    def _cut(self, client: Client, reason: str) -> None:
        log.info("stream %s: client of %s let go: %s", self.stream, client.grant.consumer or "anonymous", reason)
        self.leave(client)
        self.counters.closed.add(reason)
        self._loop.call_soon(client.link.abort)  # not inside a transport's own callback

    def _sweep(self) -> None:
        """Once a second: connections whose time is over, clients that took no byte for 30 s, entries past the history."""
        now = self._loop.time()
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep) if self._where else None
        for client, view in tuple(self._where.items()):
            expires = client.grant.expires
            if expires is not None and now >= expires:
                self._dismiss(client, view.wire.limit("Expired"), "expired")
            elif client.paused:
                self._check_stall(client, now)
            elif client.own:
                self._check_ahead(client, view, now)
        self._trim()

    def _check_stall(self, client: Client, now: float) -> None:
        buffered = client.link.buffered()
        if 0 <= client.seq < self.ring.first:
            self._cut(client, "slow")
        elif buffered != client.held:
            client.held, client.since = buffered, now
        elif now - client.since >= STALL_SECONDS:
            self._cut(client, "stalled")

    def _check_ahead(self, client: Client, view: View, now: float) -> None:
        """A client that came from a replica further on waits here for what it does not have. If this one does not get there, the log
        was cut back (an unclean election): what comes now has offsets the client thinks it had."""
        stuck = self.progress.ready and client.seq == self.ring.next and ahead(client.vector, self.ring.vector)
        if not stuck:
            client.ahead = 0.0
        elif not client.ahead:
            client.ahead = now
        elif now - client.ahead >= AHEAD_SECONDS:
            has, here = Cursor(client.vector), Cursor(dict(self.ring.vector))
            self.counters.gaps.add("ahead")
            client.own, client.vector, client.parts, client.ahead = False, dict(self.ring.vector), NO_PARTS, 0.0
            client.write(view.wire.wrap(view.wire.gap(self.progress.text(has), self.progress.text(here), "ahead")))
            view.wake()

    # --- passes ---------------------------------------------------------------------------------------------------------

    def drained(self) -> None:
        """A view has moved on."""
        self._room.set()
        self._trim()

    def _pending(self) -> int:
        return max((self.ring.total - view.taken for view in self.views.values() if len(view)), default=0)

    def _woken(self) -> None:
        """The ring has grown."""
        for view in self.views.values():
            if len(view):
                view.wake()
        for poll in self._polls:
            poll.woken.set()
        self._trim()

    def _trim(self) -> None:
        """Give up what is past the history and nobody's pass still needs."""
        needed = min((view.at.end for view in self.views.values() if len(view)), default=self.ring.next)
        now = self._loop.time()
        self.ring.trim(min((needed, *(poll.seq for poll in self._polls))), now)
        self._count(self.ring.next - self.ring.first, self.ring.bytes)
        self.counters.ring_span = self.ring.span(now)

    def _count(self, messages: int, size: int) -> None:
        """The gauges are sums over all outlets of a stream: only what changed is added."""
        self.counters.ring_messages += messages - self._counted[0]
        self.counters.ring_bytes += size - self._counted[1]
        self._counted = (messages, size)

    def _rewrite(self, start: Vector) -> None:
        """Sources, epochs or the pipeline changed: cursors look different from here on."""
        for view in self.views.values():
            view.renew(self.progress.pen(), start)
