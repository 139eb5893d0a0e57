"""Processor `msgpack`: MessagePack to JSON and back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.document import DocumentError
from penstock_gateway.language.methods.messagepack import format_msgpack, parse_msgpack
from penstock_gateway.message import Batch
from penstock_gateway.per_message import MessageFault, PerMessage, with_raw
from penstock_gateway.registry import Config, Context, Kind, Processor, component


@component("msgpack", Kind.PROCESSOR, summary="Converts messages from and to MessagePack.", status="beta")
class Msgpack(Config):
    """Fields as Bento's."""

    operator: Literal["from_json", "to_json"] = Field(description="Which way to convert.")

    def build(self, context: Context) -> Processor:
        """The runtime."""
        return PerMessage(_to_json if self.operator == "to_json" else _from_json, context)


def _to_json(batch: Batch, n: int) -> Batch:
    try:
        value = parse_msgpack(batch[n].raw)
    except language.EvaluationError as error:
        reason = str(error).removeprefix("failed to parse msgpack: ")
        raise MessageFault(f"failed to convert MsgPack document to JSON: {reason}") from None
    result = batch[n].copy()
    result.set_document(value)
    return [result]


def _from_json(batch: Batch, n: int) -> Batch:
    try:
        return [with_raw(batch[n], format_msgpack(batch[n].document))]
    except DocumentError as error:
        raise MessageFault(f"failed to parse message as JSON: {error.text}") from None
    except language.EvaluationError as error:
        reason = str(error).removeprefix("failed to convert to msgpack: ")
        raise MessageFault(f"failed to convert JSON to MsgPack: {reason}") from None
