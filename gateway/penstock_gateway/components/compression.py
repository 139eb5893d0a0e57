"""Processors `compress` and `decompress`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from penstock_gateway.language.compression import COMPRESSORS, DECOMPRESSORS, CompressionError
from penstock_gateway.message import Batch
from penstock_gateway.per_message import MessageFault, PerMessage, with_raw
from penstock_gateway.registry import Config, Context, Kind, Processor, component


@component("compress", Kind.PROCESSOR, summary="Compresses each message.")
class Compress(Config):
    """Fields as Bento's."""

    algorithm: Literal["flate", "gzip", "lz4", "pgzip", "snappy", "zlib"] = Field(description="How to compress.")
    level: int = Field(-1, description="Effort of flate, gzip and zlib from 0 to 9; -1 is the usual one.")

    def build(self, context: Context) -> Processor:
        """The runtime."""
        compress, level = COMPRESSORS[self.algorithm], self.level

        def change(batch: Batch, n: int) -> Batch:
            try:
                return [with_raw(batch[n], compress(batch[n].raw, level))]
            except CompressionError as error:
                raise MessageFault(str(error)) from None

        return PerMessage(change, context)


@component("decompress", Kind.PROCESSOR, summary="Decompresses each message; at most 32 MiB come out of one.")
class Decompress(Config):
    """Fields as Bento's."""

    algorithm: Literal["bzip2", "flate", "gzip", "lz4", "pgzip", "snappy", "zlib"] = Field(
        description="How the messages were compressed."
    )

    def build(self, context: Context) -> Processor:
        """The runtime."""
        decompress = DECOMPRESSORS[self.algorithm]

        def change(batch: Batch, n: int) -> Batch:
            try:
                return [with_raw(batch[n], decompress(batch[n].raw))]
            except CompressionError as error:
                raise MessageFault(str(error)) from None

        return PerMessage(change, context)
