"""Reads the pipeline document: which APIs and streams there are, what their variables and files are, and how they deliver.

The document is described in docs/decisions/0001-documents.md. Unknown versions and fields are refused: a gateway must not run
half of what an operator meant.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from penstock_gateway import config, language, variables, watch
from penstock_gateway.delivery import DeliveryPlan, Guarantee, Mode
from penstock_gateway.engine.supervisor import fingerprint
from penstock_gateway.errors import ConfigError, Problem
from penstock_gateway.registry import Kind

VERSION = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class History(_Strict):
    """How much an outlet holds for clients that come back: seconds and bytes."""

    duration: float = Field(ge=0)
    size: int = Field(ge=0)


class DeliveryFields(_Strict):
    """How a stream reaches its clients, as the control side decided."""

    mode: Literal["Broadcast", "Compete"] = "Compete"
    guarantee: Literal["Live", "Resume"] = "Live"
    history: History = History(duration=300, size=64 << 20)
    slow_consumer: Literal["Disconnect"] = Field("Disconnect", alias="slowConsumer")
    heartbeat: float = Field(15.0, ge=0)

    def plan(self, stream: config.StreamConfig, pipeline: str) -> DeliveryPlan:
        """The same for the engine; `pipeline` names the configuration that cursors within a message belong to."""
        shapes = [component.spec.shape for component in stream.components() if component.spec.kind is Kind.PROCESSOR]
        return DeliveryPlan(
            Mode(self.mode),
            Guarantee(self.guarantee),
            "n:m" if "n:m" in shapes else ("1:n" if "1:n" in shapes else "1:1"),
            self.history.duration,
            self.history.size,
            self.slow_consumer,
            self.heartbeat,
            pipeline,
        )


class Variable(_Strict):
    """A value, or the file that holds it (relative to the document)."""

    value: str | None = None
    file: str | None = None


class StreamFields(_Strict):
    """One stream: Bento's configuration, untouched, and its delivery."""

    name: str
    config: dict[str, Any]
    delivery: DeliveryFields = DeliveryFields()


class ApiFields(_Strict):
    """One API of the document."""

    namespace: str
    name: str
    id: str
    variables: dict[str, Variable] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    streams: list[StreamFields]

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


class PipelineDocument(_Strict):
    """The whole document."""

    version: Literal[1]
    apis: list[ApiFields]


@dataclass(frozen=True, slots=True)
class LoadedStream:
    """One stream, checked, with its variables filled in."""

    api: str
    api_id: str
    name: str
    config: config.StreamConfig
    delivery: DeliveryPlan
    variables: Mapping[str, str]
    files: Callable[[str], bytes]
    fingerprint: str


def read(folder: Path) -> PipelineDocument:
    """The document of a gateway's folder; raises ConfigError."""
    path = folder / "pipeline.json"
    try:
        return PipelineDocument.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise ConfigError([Problem(f"cannot read {path.name}: {error.strerror}", file=str(path))]) from error
    except ValidationError as error:
        raise ConfigError(config.describe(error, (), PipelineDocument)) from error
    except ValueError as error:
        raise ConfigError([Problem(f"{path.name} is not JSON: {error}", file=str(path))]) from error


def load(document: PipelineDocument, folder: Path) -> list[LoadedStream]:
    """Every stream of a document; raises ConfigError with all problems of all streams."""
    loaded: list[LoadedStream] = []
    problems: list[Problem] = []
    for n, api in enumerate(document.apis):
        try:
            loaded += _load_api(api, folder, ("apis", n))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return loaded


def _load_api(api: ApiFields, folder: Path, path: tuple[str | int, ...]) -> Iterator[LoadedStream]:
    values = {name: _value(name, variable, folder) for name, variable in api.variables.items()}
    folders = {name: folder / place for name, place in api.files.items()}
    problems: list[Problem] = []
    streams = []
    for n, stream in enumerate(api.streams):
        place = (*path, "streams", n, "config")
        filled, missing = variables.replace_in_values(stream.config, values.get, place)
        parsed, faults = config.parse_stream(filled, place)
        problems += missing + faults
        if parsed is not None:
            marks = [watch.fingerprint(place) for place in folders.values()]
            mark = fingerprint(api.id, filled, stream.delivery.model_dump(), values, api.files, marks)
            pipeline = hashlib.sha256(fingerprint(filled).encode()).hexdigest()[:16]
            plan = stream.delivery.plan(parsed, pipeline)
            files = read_files(folders)
            streams.append(LoadedStream(api.key, api.id, stream.name, parsed, plan, values, files, mark))
    if problems:
        raise ConfigError(problems)
    return iter(streams)


def _value(name: str, variable: Variable, folder: Path) -> str:
    if variable.file is None:
        return variable.value or ""
    try:
        return (folder / variable.file).read_text()
    except OSError as error:
        raise ConfigError(f"variable {name}: its file cannot be read ({error.strerror})") from error


def read_files(folders: Mapping[str, Path]) -> Callable[[str], bytes]:
    """What `file("name/item")` may see: items of the named folders, nothing above or beside them."""

    def read_file(path: str) -> bytes:
        name, _, item = path.removeprefix("./").partition("/")
        if name not in folders or not item or os.sep in item or item in (".", ".."):
            raise KeyError(path)
        return (folders[name] / item).read_bytes()

    return read_file


def environment(stream: LoadedStream) -> language.Environment:
    """What mappings of a stream may know of the world: its variables and files, the clock, chance."""
    return language.Environment(
        clock=time.time_ns, random=os.urandom, variables=stream.variables, files=stream.files, zone=local_zone
    )


def local_zone(nanoseconds: int) -> tuple[int, str]:
    """Offset in seconds and name of the local time zone at an instant."""
    moment = time.localtime(nanoseconds // 1_000_000_000)
    return moment.tm_gmtoff, moment.tm_zone
