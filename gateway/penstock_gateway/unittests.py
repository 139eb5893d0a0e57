"""Runs the unit tests of configurations, in the form Bento's are written in: input batches, a target, conditions on what comes out.

Pure components really run; nothing connects. The target is a JSON pointer (`/pipeline/processors`), a label, `file.yaml#pointer`, or a
mapping file; `mocks` replace processors by label or pointer before the target is built.
"""

from __future__ import annotations

import copy
import json
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import re2
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from penstock_gateway import config, language, variables, yamltext
from penstock_gateway.config import Rules
from penstock_gateway.delivery import DeliveryPlan, Guarantee, Mode
from penstock_gateway.document import DocumentError, decode, encode
from penstock_gateway.engine.chain import Chain
from penstock_gateway.engine.context import EngineContext, Surroundings
from penstock_gateway.engine.mapping_caches import MappingCaches
from penstock_gateway.errors import ConfigError, Problem
from penstock_gateway.message import Batch, Message
from penstock_gateway.metrics import Metrics
from penstock_gateway.registry import Outlet, OutletOptions, Route


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


class Given(_Fields):
    """A message that goes in."""

    content: str | None = None
    json_content: Any = None
    file_content: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class Wanted(_Fields):
    """What must be true of a message that comes out."""

    bloblang: str | None = None
    content_equals: str | None = None
    content_matches: str | None = None
    metadata_equals: dict[str, Any] | None = None
    file_equals: str | None = None
    json_equals: Any = None
    json_contains: Any = None
    file_json_equals: str | None = None
    file_json_contains: str | None = None


class Case(_Fields):
    """One unit test."""

    name: str = "Example test case"
    environment: dict[str, str] = Field(default_factory=dict)
    target_processors: str = "/pipeline/processors"
    target_mapping: str | None = None
    mocks: dict[str, Any] = Field(default_factory=dict)
    input_batch: list[Given] = Field(default_factory=list)
    input_batches: list[list[Given]] = Field(default_factory=list)
    output_batches: list[list[Wanted]] = Field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """How one test went: the failures say which batch and message, what was got and what was wanted."""

    name: str
    line: int
    failures: list[str] = field(default_factory=list)


class _NoEdges:
    """A unit test meets no clients."""

    def route(self, api: str, stream: str, route: Route) -> Callable[[], None]:
        raise ConfigError("a unit test serves no routes")

    def outlet(self, api: str, stream: str, options: OutletOptions, delivery: DeliveryPlan) -> Outlet:
        raise ConfigError("a unit test serves no clients")


def read_cases(document: yamltext.Document) -> list[tuple[Case, int]]:
    """The tests of a file and their lines; raises ConfigError with the places of mistakes."""
    listed = document.data.get("tests", []) if isinstance(document.data, dict) else []
    if not isinstance(listed, list):
        raise ConfigError([document.place(Problem("expected array value", ("tests",)))])
    cases, problems = [], []
    for n, data in enumerate(listed):
        path = ("tests", n)
        try:
            cases.append((Case.model_validate(data), document.locate(path)[0]))
        except ValidationError as error:
            problems += [document.place(problem) for problem in config.describe(error, path, Case)]
    if problems:
        raise ConfigError(problems)
    return cases


async def run_case(case: Case, line: int, file: Path, subject: Path) -> Outcome:
    """Run one test of `file` against the configuration `subject` (which may be the same file)."""
    outcome = Outcome(case.name, line)
    try:
        chain, environment = _target(case, file, subject)
        batches = ([case.input_batch] if case.input_batch else []) + case.input_batches
        results: list[Batch] = []
        for given in batches:
            batch = [_message(item, file.parent) for item in given]
            for n, message in enumerate(batch):
                message.index = n
            results += await chain.process(batch)
        await chain.close()
        outcome.failures += compare(results, case.output_batches, environment, file.parent)
    except (ConfigError, OSError, DocumentError) as error:
        outcome.failures.append(f"failed to run: {error}")
        return outcome
    return outcome


# --- the target ---------------------------------------------------------------------------------------------------------


def _target(case: Case, file: Path, subject: Path) -> tuple[Chain, language.Environment]:
    names = {**os.environ, **case.environment}
    environment = _environment(names, file.parent)
    if case.target_mapping is not None:
        text = (file.parent / case.target_mapping).read_text()
        root: dict[str, Any] = {}
        processors: list[Any] = [{"mapping": text}]
        environment = _environment(names, (file.parent / case.target_mapping).parent)
    else:
        pointer = case.target_processors
        if "#" in pointer:
            name, _, pointer = pointer.partition("#")
            subject = file.parent / name
        root = _load(subject, names)
        for place, mock in case.mocks.items():
            _mock(root, place, mock)
        found = _find(root, pointer)
        processors = found if isinstance(found, list) else [found]
    return _build(root, processors, environment), environment


def _load(subject: Path, names: Mapping[str, str]) -> dict[str, Any]:
    text, _ = variables.replace_in_text(subject.read_text(), names)
    data = yamltext.load(text, str(subject)).data
    if not isinstance(data, dict):
        raise ConfigError([Problem("expected object value", file=str(subject))])
    return copy.deepcopy(data)


def _build(root: Mapping[str, Any], processors: list[Any], environment: language.Environment) -> Chain:
    data: dict[str, Any] = {
        key: value for key, value in root.items() if key.endswith("_resources") and isinstance(value, list)
    }
    kept = {item.get("label") for items in data.values() for item in items} - {None}
    data |= {"input": {"generate": {"mapping": "root = 1"}}, "output": {"drop": {}}}
    data["pipeline"] = {"processors": [_unlabelled(processor, kept) for processor in processors]}
    stream, problems = config.parse_stream(data, (), Rules(bare=True))
    if stream is None:
        raise ConfigError(problems)
    plan = DeliveryPlan(Mode.COMPETE, Guarantee.LIVE)
    shared = Surroundings("test/test", "test", plan, environment, Metrics(), _NoEdges(), time.monotonic, random.random)
    shared.resources = stream.resources
    context = EngineContext(shared)
    environment.caches = MappingCaches(context.cache)
    return context.chain(stream.processors)


def _unlabelled(processor: Any, taken: set[Any]) -> Any:
    """A target that is a resource itself stands twice in the configuration: once without its label."""
    if isinstance(processor, dict) and processor.get("label") in taken:
        return {key: value for key, value in processor.items() if key != "label"}
    return processor


def _environment(names: Mapping[str, str], folder: Path) -> language.Environment:
    return language.Environment(
        clock=time.time_ns,
        random=os.urandom,
        variables=names,
        files=lambda name: (folder / name).read_bytes(),
        imports=lambda name: (folder / name).read_text(),
    )


def _find(root: Any, pointer: str) -> Any:
    if not pointer.startswith("/"):
        found = _labelled(root, pointer)
        if found is None:
            raise ConfigError(f"target '{pointer}' was not found: no processor has this label")
        return found
    value = root
    for step in _steps(pointer):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise ConfigError(f"target '{pointer}' was not found: there is no {step}") from None
    return value


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _labelled(value: Any, label: str) -> dict[str, Any] | None:
    if isinstance(value, dict):
        if value.get("label") == label:
            return value
        value = list(value.values())
    if isinstance(value, list):
        return next((found for item in value if (found := _labelled(item, label)) is not None), None)
    return None


def _mock(root: dict[str, Any], place: str, mock: Any) -> None:
    """Put a mock where a label or pointer leads; a pointer that ends in `/-` appends."""
    if not place.startswith("/"):
        found = _labelled(root, place)
        if found is None:
            raise ConfigError(f"mock '{place}' has no target: no processor has this label")
        found.clear()
        found.update(mock | {"label": place} if isinstance(mock, dict) else mock)
        return
    *above, last = _steps(place)
    parent = _find(root, "/" + "/".join(above)) if above else root
    if isinstance(parent, list) and last == "-":
        parent.append(mock)
    elif isinstance(parent, list):
        parent[int(last)] = mock
    else:
        parent[last] = mock


def _message(given: Given, folder: Path) -> Message:
    if given.content is not None:
        raw = given.content.encode()
    elif given.file_content is not None:
        raw = (folder / given.file_content).read_bytes()
    else:
        raw = encode(given.json_content) if given.json_content is not None else b""
    return Message(raw, dict(given.metadata))


# --- conditions ---------------------------------------------------------------------------------------------------------


def compare(
    results: list[Batch], wanted: list[list[Wanted]], environment: language.Environment, folder: Path
) -> list[str]:
    """What differs between the batches that came out and the conditions on them."""
    if len(results) != len(wanted):
        return [f"wrong batch count, expected {len(wanted)}, got {len(results)}"]
    failures = []
    for b, (batch, conditions) in enumerate(zip(results, wanted, strict=True)):
        if len(batch) != len(conditions):
            failures.append(
                f"mismatch of output batch {b} message counts, expected {len(conditions)}, got {len(batch)}"
            )
            continue
        for m, want in enumerate(conditions):
            found = _check(want, batch, m, environment, folder)
            mark = batch[m].failure
            if found and mark is not None:
                found.append(f"the message is marked as failed: {mark.text}")
            failures += [f"batch {b} message {m}: {text}" for text in found]
    return failures


def _check(want: Wanted, batch: Batch, n: int, environment: language.Environment, folder: Path) -> list[str]:
    message = batch[n]
    found: list[str] = []
    given = want.model_dump(exclude_unset=True)
    text = message.raw.decode("utf-8", "replace")
    if want.bloblang is not None:
        found += _check_mapping(want.bloblang, batch, n, environment)
    if want.content_equals is not None and text != want.content_equals:
        found.append(f"content_equals: content mismatch\n  expected: {want.content_equals}\n  received: {text}")
    if want.content_matches is not None and not _matches(want.content_matches, text):
        found.append(f"content_matches: pattern mismatch\n  expected: {want.content_matches}\n  received: {text}")
    for name, value in (want.metadata_equals or {}).items():
        if name not in message.meta or not _same(message.meta[name], value):
            shown = message.meta.get(name, "nothing")
            found.append(f"metadata_equals: metadata key '{name}' mismatch\n  expected: {value}\n  received: {shown}")
    if want.file_equals is not None and message.raw != (folder / want.file_equals).read_bytes():
        found.append(
            f"file_equals: content mismatch\n  expected: the content of {want.file_equals}\n  received: {text}"
        )
    for name in ("json_equals", "json_contains"):
        if name in given:
            found += _check_json(name, getattr(want, name), message)
    for name in ("file_json_equals", "file_json_contains"):
        if getattr(want, name) is not None:
            value = decode((folder / getattr(want, name)).read_bytes())
            found += _check_json(name, value, message)
    return found


def _matches(pattern: str, text: str) -> bool:
    """RE2, unanchored; raises ConfigError for a pattern that is none."""
    try:
        compiled: Any = re2.compile(pattern)  # type: ignore[no-untyped-call]  # the package has no types
    except re2.error as error:
        raise ConfigError(f"content_matches: {pattern!r} is not a regular expression: {error}") from error
    return compiled.search(text) is not None


def _check_mapping(text: str, batch: Batch, n: int, environment: language.Environment) -> list[str]:
    try:
        if language.compile_mapping(text, environment=environment).check(batch, n):
            return []
    except language.ParseError as error:
        return [f"bloblang: {error}"]
    except language.EvaluationError as error:
        return [f"bloblang: {error}"]
    return ["bloblang: bloblang expression was false"]


def _check_json(name: str, value: Any, message: Message) -> list[str]:
    if isinstance(value, str):  # JSON text is accepted in place of a structure
        try:
            value = decode(value.encode())
        except DocumentError as error:
            return [f"{name}: the expectation is not JSON: {error}"]
    try:
        got = message.document
    except DocumentError as error:
        return [f"{name}: the message is not JSON: {error}"]
    good = _contains(got, value) if name.endswith("contains") else _same(got, value)
    if good:
        return []
    return [f"{name}: JSON content mismatch\n  expected: {encode(value).decode()}\n  received: {message.raw.decode()}"]


def _same(got: Any, want: Any) -> bool:
    return bool(json.loads(encode(got)) == json.loads(encode(want)))


def _contains(got: Any, want: Any) -> bool:
    if isinstance(want, dict):
        return isinstance(got, dict) and all(key in got and _contains(got[key], item) for key, item in want.items())
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and all(map(_contains, got, want))
    return _same(got, want)
