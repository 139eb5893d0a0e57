"""Processor `json_schema`: marks messages that do not fit a JSON schema."""

from __future__ import annotations

from pydantic import Field, model_validator

from penstock_gateway.document import DocumentError, decode
from penstock_gateway.errors import ConfigError
from penstock_gateway.language.jsonschematext import Schema, SchemaError, compile_schema
from penstock_gateway.message import Batch
from penstock_gateway.per_message import MessageFault, PerMessage
from penstock_gateway.registry import Config, Context, Kind, Processor, component


@component("json_schema", Kind.PROCESSOR, summary="Checks each message against a JSON schema of draft 4, 6 or 7.")
class JsonSchema(Config):
    """Fields as Bento's."""

    schema_text: str = Field("", alias="schema", description="The schema as JSON text.")
    schema_path: str = Field("", description="A file that holds the schema, `file://` and its path.")

    @model_validator(mode="after")
    def _one_of_them(self) -> JsonSchema:
        if bool(self.schema_text) == bool(self.schema_path):
            raise ValueError("either schema or schema_path must be set")
        return self

    def build(self, context: Context) -> Processor:
        """Compile the schema."""
        raw = self.schema_text.encode()
        if self.schema_path:
            raw = context.file(self.schema_path.removeprefix("file://"), "schema_path")
        try:
            schema = compile_schema(decode(raw))
        except (DocumentError, SchemaError) as error:
            raise ConfigError(f"failed to parse JSON schema definition: {error}", context.path) from None
        return PerMessage(lambda batch, n: _checked(schema, batch, n), context)


def _checked(schema: Schema, batch: Batch, n: int) -> Batch:
    try:
        problems = schema.complaints(batch[n].document)
    except SchemaError as error:
        raise MessageFault(str(error)) from None
    if problems:
        raise MessageFault("\n".join(f"{'.'.join(path) or '(root)'} {text}" for path, text in problems))
    return [batch[n]]
