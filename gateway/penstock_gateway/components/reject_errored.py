"""Output `reject_errored`: refuses messages that carry an error mark, writes the others."""

from __future__ import annotations

from pydantic import Field

from penstock_gateway.around import Around
from penstock_gateway.errors import BatchError, WriteError
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Output, OutputSlot, component


@component("reject_errored", Kind.OUTPUT, summary="Refuses failed messages, writes the others.", bare=True)
class RejectErrored(Config):
    """The output behind is the whole configuration."""

    value: OutputSlot = Field(description="Where messages without an error go.")

    def build(self, context: Context) -> Output:
        """Build the output behind."""
        return RejectErroredOutput(context.output(self.value))


class RejectErroredOutput(Around):
    """The reason is the message's own error."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self.output = output

    async def write(self, batch: Batch) -> None:
        """Write what is good; tell of the rest."""
        failed: dict[int, Exception] = {
            n: WriteError(f"rejecting due to failed processing: {message.failure.text}")
            for n, message in enumerate(batch)
            if message.failure is not None
        }
        places = [n for n in range(len(batch)) if n not in failed]
        if places:
            try:
                await self.output.write([batch[n] for n in places])
            except BatchError as error:
                failed |= {places[n]: reason for n, reason in error.failed.items()}
        if failed:
            raise BatchError(dict(sorted(failed.items())))
