"""One transaction: a batch goes through the processors and into the output, and the input learns what became of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from penstock_gateway.engine.chain import Chain
from penstock_gateway.engine.sink import Sink
from penstock_gateway.errors import BatchError, PenstockError, Stopping
from penstock_gateway.message import Batch, positions_of
from penstock_gateway.registry import Delivery


@dataclass(slots=True)
class Refusal:
    """What the outputs refused of a batch: the positions, and the first reason."""

    positions: list[int]
    error: Exception


@dataclass(slots=True, eq=False)
class Pipeline:
    """Processors and the output behind them.

    `threads` batches are processed at a time. A worker is free again when the output has admitted its result, as in Bento: so the
    open transactions are bounded by `threads` + the output's `max_in_flight`, and with one worker the order of batches is kept.
    """

    chain: Chain
    sink: Sink
    threads: int = 1
    _workers: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._workers = asyncio.Semaphore(self.threads)

    async def enter(self) -> None:
        """Wait for a free worker; `run` frees it."""
        await self._workers.acquire()

    async def run(self, delivery: Delivery, batch: Batch) -> Refusal | None:
        """Process and write `batch` of a delivery with the worker that `enter` gave. None: everything was taken.

        Raises Stopping when the output went away first: nothing is known then, and nothing may be settled.
        """
        writes: list[tuple[Batch, asyncio.Task[None]]] = []
        last: Batch = []
        try:
            results = await self.chain.process(batch)
            if delivery.withdrawn or not results:
                return None
            *others, last = results
            for other in others:
                await self.sink.admit()
                delivery.begun = True
                writes.append((other, asyncio.create_task(self.sink.write_admitted(other))))
            await self.sink.admit()
        finally:
            self._workers.release()
        delivery.begun = True
        errors: list[tuple[Batch, PenstockError]] = []
        try:
            await self.sink.write_admitted(last)
        except PenstockError as error:
            errors.append((last, error))
        if writes:
            errors = [*await _gather(writes), *errors]
        return _refusal(errors, batch) if errors else None

    def flush(self) -> None:
        """An input has ended: incomplete batches of the output go on."""
        self.sink.flush()


async def _gather(writes: list[tuple[Batch, asyncio.Task[None]]]) -> list[tuple[Batch, PenstockError]]:
    errors = []
    for batch, task in writes:
        try:
            await task
        except PenstockError as error:
            errors.append((batch, error))
    return errors


def _refusal(errors: list[tuple[Batch, PenstockError]], batch: Batch) -> Refusal:
    positions: set[int] = set()
    reason: Exception | None = None
    for part, error in errors:
        if isinstance(error, Stopping):
            raise error
        failed = [part[n] for n in error.failed] if isinstance(error, BatchError) else part
        positions.update(positions_of(failed, batch))
        if reason is None:
            reason = next(iter(error.failed.values()), error) if isinstance(error, BatchError) else error
    return Refusal(sorted(positions), reason or errors[0][1])
