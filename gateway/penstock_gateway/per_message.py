"""A processor that turns each message by itself: what fails for one message marks that message and leaves it as it was."""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway import language
from penstock_gateway.document import DocumentError, Number, Timestamp, Value
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Context


class MessageFault(Exception):
    """A message cannot be processed; the text is the whole error that it is marked with."""


Change = Callable[[Batch, int], Batch]
"""Gives the messages that take the place of `batch[n]`; none = dropped. Raises MessageFault, EvaluationError, DocumentError."""


class PerMessage:
    """One batch in, one batch out, in order; a message that cannot be changed goes on as it was, marked."""

    __slots__ = ("change", "context")

    def __init__(self, change: Change, context: Context) -> None:
        self.change, self.context = change, context

    async def process(self, batch: Batch) -> list[Batch]:
        """One batch, or none when nothing is left."""
        results: Batch = []
        for n, message in enumerate(batch):
            try:
                results += self.change(batch, n)
            except DocumentError as error:
                results.append(marked(message, self.context, error.text))
            except (MessageFault, language.EvaluationError) as error:
                results.append(marked(message, self.context, str(error)))
        return [results] if results else []

    async def close(self) -> None:
        """Nothing is held."""


def marked(message: Message, context: Context, text: str) -> Message:
    """A copy of the message that carries an error of this component."""
    failed = message.copy()
    failed.failure = context.failure(text)
    return failed


def with_raw(message: Message, raw: bytes) -> Message:
    """A copy with another body; metadata and error mark stay."""
    changed = message.copy()
    changed.set_raw(raw)
    return changed


def plain(value: Value) -> Value:
    """A document in the terms of other libraries: dict, list, str, bytes, bool, None, int and float."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Number):
        return value.value
    return value.rfc3339() if isinstance(value, Timestamp) else value
