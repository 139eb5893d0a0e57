"""Processor `branch`: works on a request made from each message and maps the result back into it."""

from __future__ import annotations

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Config, Context, Kind, MappingText, Processor, ProcessorSlot, component


@component("branch", Kind.PROCESSOR, summary="Processes a copy of each message and maps the result back.")
class Branch(Config):
    """Fields as Bento's."""

    request_map: MappingText = Field(
        "", description="Makes the request from the message; `root = deleted()` skips the branch."
    )
    processors: list[ProcessorSlot] = Field(description="Applied to the requests; must keep their number and order.")
    result_map: MappingText = Field("", description="Maps the result (`this`) into the original message (`root`).")

    def build(self, context: Context) -> Processor:
        """Compile both mappings and build the chain."""
        request = context.mapping(self.request_map, "request_map") if self.request_map else None
        result = context.mapping(self.result_map, "result_map") if self.result_map else None
        return BranchProcessor(request, context.processors(self.processors), result, context)


class BranchProcessor:
    """The original stays as it was where any of the three steps fails."""

    def __init__(
        self, request: language.Mapping | None, chain: Processor, result: language.Mapping | None, context: Context
    ) -> None:
        self.request, self.chain, self.result, self.context = request, chain, result, context

    async def process(self, batch: Batch) -> list[Batch]:
        """The same batch, each message with its result mapped in or its failure marked."""
        results: list[Message | None] = list(batch)
        requests: Batch = []
        places: list[int] = []
        for n in range(len(batch)):
            request = self._request(batch, n, results)
            if request is not None:
                request.index = n
                requests.append(request)
                places.append(n)
        if requests:
            answers = [answer for part in await self.chain.process(requests) for answer in part]
            self._merge(batch, results, places, answers)
        kept = [result for result in results if result is not None]
        return [kept] if kept else []

    def _request(self, batch: Batch, n: int, results: list[Message | None]) -> Message | None:
        if self.request is None:
            return batch[n].copy()
        try:
            return self.request.apply(batch, n)
        except language.EvaluationError as error:
            results[n] = self._failed(batch[n], f"request mapping failed: {error}")
            return None

    def _merge(self, batch: Batch, results: list[Message | None], places: list[int], answers: Batch) -> None:
        if len(answers) != len(places):
            text = "child processors resulted in zero messages"
            if answers:
                text = f"message count from branch processors does not match request, started with {len(places)}, got {len(answers)}"
            for n in places:
                results[n] = self._failed(batch[n], text)
            return
        for place, n in enumerate(places):
            answer = answers[place]
            if answer.failure is not None:
                results[n] = self._failed(batch[n], f"processors failed: {answer.failure.text}")
            elif self.result is not None:
                results[n] = self._overlay(batch[n], answers, place)

    def _overlay(self, original: Message, answers: Batch, place: int) -> Message | None:
        assert self.result is not None
        try:
            return self.result.mutate(original.copy(), answers, place, follow=False)
        except language.EvaluationError as error:
            return self._failed(original, f"result mapping failed: {error}")

    def _failed(self, message: Message, text: str) -> Message:
        failed = message.copy()
        failed.failure = self.context.failure(text)
        return failed

    async def close(self) -> None:
        """Close the children."""
        await self.chain.close()
