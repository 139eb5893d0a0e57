"""Processor `metric`: counts or measures messages as the configuration says."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from penstock_gateway import language
from penstock_gateway.message import Batch
from penstock_gateway.metrics import RESERVED_LABELS, MeasureSort
from penstock_gateway.registry import Config, Context, Interpolated, Kind, Processor, component

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_NANOSECONDS = 1e-9


@component("metric", Kind.PROCESSOR, summary="Counts or measures messages.")
class MetricStep(Config):
    """Fields as Bento's. The metric is exported as `penstock_custom_…` with its name as the label `name`."""

    type: Literal["counter", "counter_by", "gauge", "timing"] = Field(description="What is done with the value.")
    name: str = Field(description="Name of the metric.", min_length=1)
    labels: dict[str, Interpolated] = Field(
        default_factory=dict, description="Labels of the metric; at most 1000 sets of values."
    )
    value: Interpolated = Field(
        "", description="A whole number, not negative; of a timing in nanoseconds. A counter needs none."
    )

    @field_validator("labels")
    @classmethod
    def _names(cls, labels: dict[str, str]) -> dict[str, str]:
        for name in labels:
            if not _LABEL.fullmatch(name) or name in RESERVED_LABELS:
                raise ValueError(
                    f"label name {name!r} cannot be used: letters, digits and _, none of {', '.join(RESERVED_LABELS)}"
                )
        return labels

    def build(self, context: Context) -> Processor:
        """Compile labels and value."""
        return MetricProcessor(self, context)


class MetricProcessor:
    """Never changes a message; a value or label that cannot be read is logged."""

    def __init__(self, config: MetricStep, context: Context) -> None:
        sorts: dict[str, MeasureSort] = {"gauge": "gauge", "timing": "timing"}
        self.type, self.context, self.full = config.type, context, False
        self.measure = context.measure(config.name, sorts.get(config.type, "counter"))
        self.labels = {name: context.interpolation(text, "labels", name) for name, text in config.labels.items()}
        self.value = context.interpolation(config.value, "value")

    async def process(self, batch: Batch) -> list[Batch]:
        """The same batch."""
        for n in range(len(batch)):
            try:
                self._count(batch, n)
            except (language.EvaluationError, ValueError) as error:
                self.context.log.error("metric could not count a message: %s", error)
        return [batch]

    def _count(self, batch: Batch, n: int) -> None:
        labels = {name: text.evaluate(batch, n) for name, text in self.labels.items()}
        value = 1.0 if self.type == "counter" else _number(self.value.evaluate(batch, n))
        if self.type == "timing":
            value *= _NANOSECONDS
        if not self.measure.add(labels, value) and not self.full:
            self.full = True
            self.context.log.warning("metric has too many sets of label values; no new ones are counted")

    async def close(self) -> None:
        """Nothing is held."""


def _number(text: str) -> float:
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a whole number")
    value = int(text)
    if value < 0:
        raise ValueError("value is negative")
    return float(value)
