"""Processor `protobuf`: protobuf to JSON and back, by `.proto` files that are read at the start."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from penstock_gateway import protofiles
from penstock_gateway.document import DocumentError, decode
from penstock_gateway.errors import ConfigError, NotSupported
from penstock_gateway.message import Batch
from penstock_gateway.per_message import MessageFault, PerMessage, with_raw
from penstock_gateway.registry import Config, Context, Kind, Processor, component

_WELL_KNOWN = (
    "any",
    "api",
    "duration",
    "empty",
    "field_mask",
    "source_context",
    "struct",
    "timestamp",
    "type",
    "wrappers",
)


@component("protobuf", Kind.PROCESSOR, summary="Converts messages from and to protobuf (extra `protobuf`).")
class Protobuf(Config):
    """Fields as Bento's."""

    operator: Literal["to_json", "from_json"] = Field(description="Which way to convert.")
    message: str = Field(description="Full name of the message type.", min_length=1)
    discard_unknown: bool = Field(False, description="from_json: whether fields the type does not have are dropped.")
    use_proto_names: bool = Field(False, description="to_json: names as in the .proto file, not in lowerCamelCase.")
    use_enum_numbers: bool = Field(False, description="to_json: numbers of enum values, not their names.")
    import_paths: list[str] = Field(
        default_factory=list, description="`.proto` files, or folders of them (imports are found below these)."
    )

    def build(self, context: Context) -> Processor:
        """Read the files and find the message type."""
        converter = _Converter(self, context)
        return PerMessage(converter.to_json if self.operator == "to_json" else converter.from_json, context)


class _Converter:
    """The class of the message type, made at the start."""

    def __init__(self, config: Protobuf, context: Context) -> None:
        self.config = config
        try:
            self.json: Any = importlib.import_module("google.protobuf.json_format")
            error: Any = importlib.import_module("google.protobuf.message")
            pools: Any = importlib.import_module("google.protobuf.descriptor_pool")
            factory: Any = importlib.import_module("google.protobuf.message_factory")
        except ImportError:
            text = "the processor protobuf needs the extra protobuf: pip install 'penstock[protobuf]'"
            raise NotSupported(text, context.path) from None
        self.wrong: Any = error.Error
        self.pool = pools.DescriptorPool()
        place = (*context.path, "protobuf")
        _fill(self.pool, _files(config, context), place)
        try:
            self.type: Any = factory.GetMessageClass(self.pool.FindMessageTypeByName(config.message))
        except (KeyError, TypeError) as problem:
            text = f"unable to find message '{config.message}' definition within '{config.import_paths}': {problem}"
            raise ConfigError(text, (*place, "message")) from None

    def to_json(self, batch: Batch, n: int) -> Batch:
        """protobuf in, JSON out."""
        config = self.config
        try:
            found = self.type.FromString(batch[n].raw)
            text = self.json.MessageToJson(
                found,
                preserving_proto_field_name=config.use_proto_names,
                use_integers_for_enums=config.use_enum_numbers,
                indent=None,
                ensure_ascii=False,
                descriptor_pool=self.pool,
            )
        except (self.wrong, self.json.Error, ValueError, TypeError, RecursionError) as error:
            text = f"failed to unmarshal protobuf message '{config.message}': {error}"
            raise MessageFault(text) from None
        result = batch[n].copy()
        result.set_document(decode(text.encode()))
        return [result]

    def from_json(self, batch: Batch, n: int) -> Batch:
        """JSON in, protobuf out."""
        text = batch[n].raw.decode("utf-8", "replace")
        try:
            decode(batch[n].raw)
            found = self.json.Parse(
                text, self.type(), ignore_unknown_fields=self.config.discard_unknown, descriptor_pool=self.pool
            )
            return [with_raw(batch[n], found.SerializeToString(deterministic=True))]
        except DocumentError as error:
            raise MessageFault(f"failed to unmarshal JSON message '{self.config.message}': {error.text}") from None
        except (self.wrong, self.json.Error, ValueError, TypeError, RecursionError) as error:
            raise MessageFault(f"failed to unmarshal JSON message '{self.config.message}': {error}") from None


def _files(config: Protobuf, context: Context) -> dict[str, str]:
    """The texts by the names under which they import one another. Content comes from the context, which knows what may be read."""
    texts = {}
    for entry in config.import_paths:
        root = Path(entry)
        found = [root] if root.suffix == ".proto" else sorted(root.rglob("*.proto"))
        for path in found:
            name = path.name if path == root else path.relative_to(root).as_posix()
            texts[name] = context.file(str(path), "import_paths").decode("utf-8", "replace")
    return texts


def _fill(pool: Any, texts: dict[str, str], place: tuple[str | int, ...]) -> None:
    """Put the files into the pool, what is imported before who imports it."""
    descriptors: Any = importlib.import_module("google.protobuf.descriptor_pb2")
    waiting = {}
    for name, text in texts.items():
        try:
            waiting[name] = protofiles.read(name, text, descriptors)
        except (protofiles.ProtoError, IndexError) as error:
            raise ConfigError(f"failed to parse {name}: {error}", (*place, "import_paths")) from None
    done: set[str] = set()
    for short in _WELL_KNOWN:
        module: Any = importlib.import_module(f"google.protobuf.{short}_pb2")
        waiting.setdefault(
            module.DESCRIPTOR.name, descriptors.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        )
    while waiting:
        ready = [name for name, file in waiting.items() if all(other in done for other in file.dependency)]
        if not ready:
            missing = {other for file in waiting.values() for other in file.dependency} - done - set(waiting)
            reason = f"cannot find {', '.join(sorted(missing))}" if missing else "the files import one another"
            raise ConfigError(f"failed to resolve imports: {reason}", (*place, "import_paths"))
        for name in ready:
            try:
                pool.Add(waiting.pop(name))
            except TypeError as error:
                raise ConfigError(f"failed to read {name}: {error}", (*place, "import_paths")) from None
            done.add(name)
