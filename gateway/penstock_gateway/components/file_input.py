"""Input `file`: reads files one after another with a scanner; for `penstock run` only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field, model_validator

from penstock_gateway.files import FilesInput, Reading
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Input, Kind, component
from penstock_gateway.scanning import ScannerSlot, build_scanner, fields_from_codec, lines_slot


@component("file", Kind.INPUT, summary="Reads files.", host=True, sharing="singleton")
class FileInput(Config):
    """Fields as Bento's."""

    paths: list[str] = Field(description="Files in the order in which they are read; `*`, `?`, `[…]` and `**` match.")
    scanner: ScannerSlot = Field(default_factory=lines_slot, description="How the bytes are cut into messages.")
    delete_on_finish: bool = Field(
        False, description="Whether a file is deleted once all its messages are acknowledged."
    )
    auto_replay_nacks: bool = Field(True, description="Whether refused messages are sent again.")

    @model_validator(mode="before")
    @classmethod
    def _without_codec(cls, fields: Any) -> Any:
        return fields_from_codec(fields)

    def build(self, context: Context) -> Input:
        """The runtime."""
        scanner = build_scanner(self.scanner, context)

        def scan(reading: Reading) -> Iterator[Batch]:
            for batch in scanner.scan(reading.source, reading.path):
                yield [reading.stamped(message) for message in batch]

        return FilesInput(self.paths, scan, context, delete=self.delete_on_finish, replays=self.auto_replay_nacks)
