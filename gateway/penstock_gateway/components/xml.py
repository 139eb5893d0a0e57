"""Processor `xml`: makes JSON of XML."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from penstock_gateway.language.xmltokens import XMLError
from penstock_gateway.language.xmlvalues import parse
from penstock_gateway.message import Batch
from penstock_gateway.per_message import MessageFault, PerMessage
from penstock_gateway.registry import Config, Context, Kind, Processor, component


@component("xml", Kind.PROCESSOR, summary="Makes JSON of XML.", status="beta")
class Xml(Config):
    """Fields as Bento's."""

    operator: Literal["to_json", ""] = Field("", description="What to do; must be to_json.")
    cast: bool = Field(False, description="Whether text that looks like a number or a bool becomes one.")

    def build(self, context: Context) -> Processor:
        """The runtime."""
        cast = self.cast

        def change(batch: Batch, n: int) -> Batch:
            try:
                value = parse(batch[n].raw.decode("utf-8", "replace"), cast=cast)
            except XMLError as error:
                raise MessageFault(str(error)) from None
            result = batch[n].copy()
            result.set_document(value)
            return [result]

        return PerMessage(change, context)
