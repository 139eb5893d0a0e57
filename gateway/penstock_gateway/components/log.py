"""Processor `log`: writes a line for each message and passes it on."""

from __future__ import annotations

import logging
from typing import Any, Literal

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Interpolated, Kind, MappingText, Processor, component

_LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50, "OFF": 0, "ALL": 5}


@component("log", Kind.PROCESSOR, summary="Writes a log line for each message.")
class Log(Config):
    """Fields as Bento's."""

    level: Literal["FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"] = Field(
        "INFO", description="Severity of the line."
    )
    message: Interpolated = Field("", description="Text of the line.")
    fields_mapping: MappingText = Field("", description="A mapping whose object gives structured fields of the line.")
    fields: dict[str, Interpolated] = Field(
        default_factory=dict, description="Structured fields of the line (deprecated)."
    )

    def build(self, context: Context) -> Processor:
        """Compile text and fields."""
        mapping = context.mapping(self.fields_mapping, "fields_mapping") if self.fields_mapping else None
        fields = {name: context.interpolation(text, "fields", name) for name, text in self.fields.items()}
        return LogProcessor(
            _LEVELS[self.level], context.interpolation(self.message, "message"), mapping, fields, context
        )


class LogProcessor:
    """Never changes a message; a text that cannot be evaluated is logged with the reason."""

    def __init__(
        self,
        level: int,
        text: language.Interpolation,
        mapping: language.Mapping | None,
        fields: dict[str, language.Interpolation],
        context: Context,
    ) -> None:
        self.level, self.text, self.mapping, self.fields, self.context = level, text, mapping, fields, context

    async def process(self, batch: Batch) -> list[Batch]:
        """The same batch."""
        log: logging.Logger = self.context.log
        if log.isEnabledFor(self.level):
            for n in range(len(batch)):
                self._write(log, batch, n)
        return [batch]

    def _write(self, log: logging.Logger, batch: Batch, n: int) -> None:
        try:
            fields: dict[str, Any] = {name: text.evaluate(batch, n) for name, text in self.fields.items()}
            if self.mapping is not None:
                mapped = self.mapping.apply(batch, n)
                if mapped is not None and isinstance(mapped.document, dict):
                    fields |= mapped.document
            log.log(self.level, "%s", self.text.evaluate(batch, n), extra={"fields": fields} if fields else None)
        except (language.EvaluationError, ValueError) as error:
            log.warning("log processor could not evaluate its text: %s", error)

    async def close(self) -> None:
        """Nothing is held."""
