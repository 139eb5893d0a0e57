"""How far a Broadcast stream has come: the ring, the positions its inputs announced, and what returning clients have missed. No I/O; the
clock is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from penstock_gateway.delivery import DeliveryPlan, Guarantee
from penstock_gateway.hub.ring import Frame, Ring
from penstock_gateway.message import Batch
from penstock_gateway.positions import Claim, Cursor, Layout, Pen, Seal, Vector, behind, fingerprint, merged, topic_of
from penstock_gateway.registry import Begin

STALL_SECONDS = 30.0
"""A reader that took no byte for this long is let go."""
_LEAST_SECONDS, _LEAST_BYTES = 5.0, 64 * 1024


class Started(NamedTuple):
    """What an input's beginning changed: sources that are new, and, when offsets mean something else now, the vector until then."""

    new: Vector
    before: Vector | None


class Returned(NamedTuple):
    """A returning client: what it has, where it goes on, and why that is not the same ("" when it is)."""

    has: Cursor
    goes_on: Cursor
    gap: str


class Progress:
    """What was delivered so far. In Live frames go straight into the ring; with Resume they wait until `advance`."""

    def __init__(self, plan: DeliveryPlan, seal: Seal, now: float) -> None:
        self.plan = plan
        self.resumes = plan.guarantee is Guarantee.RESUME
        self.ring = Ring(*_bounds(plan), now)
        self.begun = False
        self.ready = not self.resumes
        """The log's end as seen at the start has been reached: the ring holds the whole history."""
        self._seal = seal
        self._layout = Layout()
        self._epochs: dict[str, str] = {}
        self._heads: dict[str, int] = {}
        self._held: list[Frame] = []

    # --- what the engine says -------------------------------------------------------------------------------------------

    def renew(self, plan: DeliveryPlan) -> None:
        """A new instance takes over; the history stays. What the old one had not completed comes again."""
        self.plan = plan
        self.ring.history, self.ring.size = _bounds(plan)
        self._held.clear()

    def write(self, batch: Batch, now: float) -> None:
        """Take messages. With Resume, those that were delivered before (by an earlier instance) are passed over."""
        frames = []
        for message in batch:
            source, offset = message.origin or ("", 0)
            frames.append(Frame(message.raw, source, offset, ends=False))
        if len(frames) > 1:
            frames[-1].ends = True
        if self.resumes:
            vector = self.ring.vector
            self._held += [frame for frame in frames if not frame.source or frame.offset >= vector.get(frame.source, 0)]
        else:
            self.ring.append(frames, now)

    def begin(self, begin: Begin, now: float) -> Started:
        """Where an input starts: new sources are learned, a jump is a gap, a log made anew or cut back starts everything over."""
        ring, before = self.ring, dict(self.ring.vector)
        new = {source: offset for source, offset in begin.start.items() if source not in before}
        anew = {
            source: offset
            for source, offset in begin.start.items()
            if source in before and self._is_anew(source, begin)
        }
        jumped = {
            source: offset
            for source, offset in begin.start.items()
            if source not in anew and offset > before.get(source, offset)
        }
        ring.learn(new)
        if anew:
            ring.reset({**ring.vector, **anew}, now)
            ring.hole(before, anew, "recreated", now)
            self._held = [frame for frame in self._held if frame.source not in anew]
        if jumped:
            ring.hole(before, jumped, "skipped", now)
        self._epochs.update({topic: epoch for topic, epoch in begin.epochs.items() if epoch})
        self._heads.update(begin.head)
        self._layout = Layout(ring.vector, self._epochs)
        self.begun = True
        self._look()
        return Started(new, before if anew else None)

    def _is_anew(self, source: str, begin: Begin) -> bool:
        """Whether offsets of a known source start over: its topic has another id, or its log ends before what was read."""
        topic = topic_of(source)
        old, epoch = self._epochs.get(topic, ""), begin.epochs.get(topic, "")
        have = self.ring.vector[source]
        return (old != "" and epoch not in ("", old)) or begin.head.get(source, have) < have

    def advance(self, position: Mapping[str, int], now: float) -> None:
        """Everything before `position` was written: its frames enter the ring."""
        ripe: list[Frame] = []
        waiting: list[Frame] = []
        for frame in self._held:
            done = not frame.source or frame.offset < position.get(frame.source, 0)
            (ripe if done else waiting).append(frame)
        self._held = waiting
        self.ring.complete(ripe, position, self.plan.shape == "n:m", now)
        self._look()

    def _look(self) -> None:
        if not self.ready and self.begun:
            vector = self.ring.vector
            self.ready = all(vector.get(source, 0) >= offset for source, offset in self._heads.items())

    # --- what clients ask -----------------------------------------------------------------------------------------------

    def claim(self, text: str) -> Claim:
        """What a cursor says; raises CursorError."""
        return self._seal.open(text)

    def pen(self) -> Pen | None:
        """Writes cursors of this stream; None in Live, which has none."""
        return Pen(self._seal, self._layout, fingerprint(self.plan.pipeline)) if self.resumes else None

    def text(self, cursor: Cursor) -> str:
        """A cursor as clients hold it; "" in Live."""
        pen = self.pen()
        return pen.write(cursor) if pen is not None else ""

    def now_here(self) -> Cursor:
        """Where a fresh client starts. What was there before it came is history, even if this replica has yet to read it."""
        return Cursor(dict(self.ring.vector) if self.ready else merged(self.ring.vector, self._heads))

    def returned(self, claim: Claim) -> Returned:
        """What a claim is worth here."""
        match = claim.match(self._layout, fingerprint(self.plan.pipeline))
        base = self.ring.base
        vector = {source: match.cursor.vector.get(source, base.get(source, 0)) for source in self.ring.vector}
        lost = behind(vector, base)
        gap = "recreated" if match.renewed else "configuration" if match.strange else "history" if lost else ""
        parts = {source: k for source, k in match.cursor.parts.items() if source not in lost}
        return Returned(Cursor(vector), Cursor(merged(vector, base), parts), gap)


def _bounds(plan: DeliveryPlan) -> tuple[float, int]:
    """Seconds and bytes the ring keeps. However short the history, readers that pause for a moment must not be overrun at once. Live has
    no history, only what a slow reader may still catch up with."""
    seconds = plan.history if plan.guarantee is Guarantee.RESUME else min(plan.history, STALL_SECONDS)
    return max(seconds, _LEAST_SECONDS), max(plan.size, _LEAST_BYTES)
