"""Scanner `csv`: one message a record of comma-separated values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from penstock_gateway.csvrows import Records, check_delimiter, read_header
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Config, Context, Kind, component
from penstock_gateway.scanning import ScanError, Scanner, Source


@component("csv", Kind.SCANNER, summary="One message a record of comma-separated values.")
class CSVScanner(Config):
    """Fields as Bento's."""

    custom_delimiter: Annotated[str, AfterValidator(check_delimiter)] = Field(
        ",", description="The character between two fields."
    )
    parse_header_row: bool = Field(
        True, description="Whether the first record names the fields: messages are objects then, else arrays."
    )
    lazy_quotes: bool = Field(False, description="Whether quotes may stand anywhere in a field.")
    continue_on_error: bool = Field(
        False, description="Whether a broken record becomes a marked message, instead of ending the source."
    )
    expected_headers: list[str] | None = Field(None, description="The header a source must have to be read.")
    expected_number_of_fields: int | None = Field(None, description="How many fields every record must have.", ge=1)

    def build(self, context: Context) -> Scanner:
        """The runtime."""
        return RecordScanner(self, context)


class RecordScanner:
    """Numbers the records in the metadata `csv_row`, from 0."""

    def __init__(self, config: CSVScanner, context: Context) -> None:
        self.config, self.context = config, context

    def scan(self, source: Source, name: str) -> Iterator[Batch]:
        """Records as they come."""
        config = self.config
        fields = config.expected_number_of_fields or 0
        records = Records(source, config.custom_delimiter, config.lazy_quotes, fields)
        header = read_header(records, config.expected_headers) if config.parse_header_row else None
        for number, (record, error) in enumerate(records):
            if error is not None and not config.continue_on_error:
                raise ScanError(str(error))
            message = Message(meta={"csv_row": number})
            if header:
                message.set_document(dict(zip(header, record, strict=False)))
            else:
                message.set_document(list(record))
            if error is not None:
                message.failure = self.context.failure(str(error))
            yield [message]
