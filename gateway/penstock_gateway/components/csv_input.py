"""Input `csv`: reads files of comma-separated values, one message a record; for `penstock run` only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from penstock_gateway.csvrows import Records, check_delimiter, read_header
from penstock_gateway.files import FilesInput, Reading
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Config, Context, Input, Kind, component


@component("csv", Kind.INPUT, summary="Reads files of comma-separated values.", host=True, sharing="singleton")
class CSVInput(Config):
    """Fields as Bento's."""

    paths: list[str] = Field(
        description="Files in the order in which they are read; `*`, `?`, `[…]` and `**` match.", min_length=1
    )
    parse_header_row: bool = Field(
        True, description="Whether the first record names the fields: messages are objects then, else arrays."
    )
    delimiter: Annotated[str, AfterValidator(check_delimiter)] = Field(
        ",", description="The character between two fields."
    )
    lazy_quotes: bool = Field(False, description="Whether quotes may stand anywhere in a field.")
    delete_on_finish: bool = Field(
        False, description="Whether a file is deleted once all its messages are acknowledged."
    )
    batch_count: int = Field(1, description="Records of a batch.", ge=1)
    auto_replay_nacks: bool = Field(True, description="Whether refused messages are sent again.")
    expected_headers: list[str] | None = Field(None, description="The header a file must have to be read.")
    expected_number_of_fields: int | None = Field(None, description="How many fields every record must have.", ge=1)

    def build(self, context: Context) -> Input:
        """The runtime."""

        def scan(reading: Reading) -> Iterator[Batch]:
            return _messages(self, reading, context)

        return FilesInput(
            self.paths,
            scan,
            context,
            delete=self.delete_on_finish,
            replays=self.auto_replay_nacks,
            group=self.batch_count,
        )


def _messages(config: CSVInput, reading: Reading, context: Context) -> Iterator[Batch]:
    """Records of unusual length are taken as they are; one that is broken becomes a marked message of what could be read."""
    records = Records(reading.source, config.delimiter, config.lazy_quotes, config.expected_number_of_fields or -1)
    header = read_header(records, config.expected_headers) if config.parse_header_row else None
    names = header or []
    for record, error in records:
        message = Message()
        if names and len(record) <= len(names):
            message.set_document(dict(zip(names, record, strict=False)))
            message.meta["header"] = list(names)
        else:
            message.set_document(list(record))
        if error is not None:
            message.failure = context.failure(str(error))
        yield [reading.stamped(message)]
