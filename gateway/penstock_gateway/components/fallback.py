"""Output `fallback`: what one output refuses goes to the next, with the reason in the metadata `fallback_error`."""

from __future__ import annotations

from pydantic import Field

from penstock_gateway.around import Around
from penstock_gateway.errors import BatchError, PenstockError, Stopping
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Output, OutputSlot, component


@component("fallback", Kind.OUTPUT, summary="Writes to the first output that takes a message.", bare=True)
class Fallback(Config):
    """The list of outputs is the whole configuration."""

    value: list[OutputSlot] = Field(description="Outputs in the order in which they are tried.", min_length=1)

    def build(self, context: Context) -> Output:
        """Build the outputs."""
        return FallbackOutput([context.output(slot) for slot in self.value])


class FallbackOutput(Around):
    """Only the messages that were refused go on to the next output."""

    def __init__(self, outputs: list[Output]) -> None:
        super().__init__(*outputs)

    async def write(self, batch: Batch) -> None:
        """Returns when every message was taken by one of the outputs; raises what the last one said."""
        places = list(range(len(batch)))
        current = batch
        failed: dict[int, Exception] = {}
        for output in self.inner:
            failed = await _refused(output, current)
            if not failed:
                return
            places = [places[n] for n in failed]
            current = []
            for place, reason in zip(places, failed.values(), strict=True):
                message = batch[place].copy()
                message.meta["fallback_error"] = str(reason)
                current.append(message)
        raise BatchError(dict(zip(places, failed.values(), strict=True)))


async def _refused(output: Output, batch: Batch) -> dict[int, Exception]:
    """What an output did not take, by position and in order."""
    try:
        await output.write(batch)
    except BatchError as error:
        return dict(sorted(error.failed.items()))
    except Stopping:
        raise
    except PenstockError as error:
        return dict.fromkeys(range(len(batch)), error)
    return {}
