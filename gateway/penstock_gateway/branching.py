"""A branch: a request made of each message, processors, and a result mapped back; what `branch` and `workflow` share."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.message import Batch, Message
from penstock_gateway.per_message import marked
from penstock_gateway.registry import Config, Context, MappingText, ProcessorSlot


class BranchFields(Config):
    """Fields as Bento's."""

    request_map: MappingText = Field(
        "", description="Makes the request from the message; `root = deleted()` skips the branch."
    )
    processors: list[ProcessorSlot] = Field(description="Applied to the requests; must keep their number and order.")
    result_map: MappingText = Field("", description="Maps the result (`this`) into the original message (`root`).")


@dataclass(slots=True)
class Answers:
    """What the processors made of the requests: `places` are the messages that asked, `failed` says why others have no answer."""

    places: list[int] = field(default_factory=list)
    answers: Batch = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)


class Branch:
    """The mappings and processors of one branch."""

    def __init__(self, fields: BranchFields, context: Context, *path: str | int) -> None:
        self.context = context
        self.request = context.mapping(fields.request_map, *path, "request_map") if fields.request_map else None
        self.result = context.mapping(fields.result_map, *path, "result_map") if fields.result_map else None
        self.chain = context.processors(fields.processors)

    async def ask(self, batch: Batch, places: list[int]) -> Answers:
        """Make the requests of the messages at `places` and process them as one batch."""
        found, requests = Answers(), []
        for n in places:
            try:
                request = batch[n].copy() if self.request is None else self.request.apply(batch, n)
            except language.EvaluationError as error:
                found.failed[n] = f"request mapping failed: {error}"
                continue
            if request is not None:
                request.index = n
                requests.append(request)
                found.places.append(n)
        if not requests:
            return found
        found.answers = [answer for part in await self.chain.process(requests) for answer in part]
        if len(found.answers) != len(requests):
            text = "child processors resulted in zero messages"
            if found.answers:
                text = "message count from branch processors does not match request, "
                text += f"started with {len(requests)}, got {len(found.answers)}"
            found.failed |= dict.fromkeys(found.places, text)
            found.places, found.answers = [], []
        return found

    def overlay(self, batch: list[Message | None], found: Answers) -> dict[int, str]:
        """Map the answers into copies of the originals, which take their places in `batch` (None: deleted); says what failed.

        A message where any of the three steps fails stays as it was.
        """
        failed = dict(found.failed)
        for place, n in enumerate(found.places):
            answer, original = found.answers[place], batch[n]
            if answer.failure is not None:
                failed[n] = f"processors failed: {answer.failure.text}"
            elif self.result is not None and original is not None:
                try:
                    batch[n] = self.result.mutate(original.copy(), found.answers, place, follow=False)
                except language.EvaluationError as error:
                    failed[n] = f"result mapping failed: {error}"
        return failed

    def mark(self, message: Message, text: str) -> Message:
        """The message with an error of this branch."""
        return marked(message, self.context, text)
