"""Renders a StreamAPI's pipeline document, its hash, and how each stream is delivered. Pure.

Document format: docs/decisions/0001-documents.md. The document names variables and files but never holds what is secret.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from penstock_gateway import delivery, variables, yamltext
from penstock_gateway.errors import ConfigError, Path, Problem
from penstock_operator import keys, quantities
from penstock_operator.resources.documents import Name, StreamAPI
from penstock_operator.resources.streamapi import Delivery, Stream
from penstock_operator.world import Compiled, World, absent

VERSION = 1
LARGEST = 512 * 1024
"""Bytes of a pipeline document: half of what a ConfigMap may hold."""
HISTORY, HISTORY_SIZE, HEARTBEAT = 300.0, 64 * 2**20, 15.0


@dataclass(frozen=True, slots=True)
class Missing:
    """A reference that leads nowhere, or where it may not lead; `reason` is the condition's."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class StreamView:
    """One stream as the plan sees it: its configuration, what the language says about it, how it is delivered."""

    name: str
    config: Any
    path: Path
    compiled: Compiled | None
    verdict: delivery.Verdict | None


def api_id(api: StreamAPI) -> str:
    """The id of an API, stable for the life of the resource."""
    return keys.stable_id(f"api {api.meta.uid}")


def digest(data: Any) -> str:
    """SHA-256 of a value's canonical JSON, hexadecimal."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def values(world: World, api: StreamAPI) -> dict[str, str]:
    """The variables of an API as far as they are known here; what comes from a Secret is replaced by a word."""
    given = (api.spec.variables if api.spec else None) or ()
    return {
        it.name: world.settings.variables.get(it.name, it.value if it.value is not None else "secret") for it in given
    }


def compile_digest(world: World, api: StreamAPI, config: Any) -> str:
    """Names a configuration together with the variables it is read with (`World.compiled`)."""
    return digest([config, values(world, api)])


# --- streams ------------------------------------------------------------------------------------------------------------


def configurations(world: World, api: StreamAPI) -> Iterator[tuple[Stream, Path, Any | None, tuple[Problem, ...]]]:
    """Each stream with the path of its configuration, the configuration (None = not there) and what is wrong with its text."""
    for number, stream in enumerate(api.spec.streams if api.spec else ()):
        path: Path = ("spec", "streams", number)
        if stream.config is not None:
            yield stream, (*path, "config"), stream.config, ()
            continue
        text = _text_of(world, api, stream)
        if text is None:
            yield stream, (*path, "configMapRef"), None, ()
            continue
        try:
            document = yamltext.load(text)
        except ConfigError as error:
            yield stream, (*path, "configMapRef"), None, tuple(_inside(path, it) for it in error.problems)
        else:
            yield stream, (*path, "configMapRef"), document.data, tuple(_inside(path, it) for it in document.problems)


def _text_of(world: World, api: StreamAPI, stream: Stream) -> str | None:
    reference = stream.config_map_ref
    if reference is None:
        return None
    entries = world.config_maps.get(Name(api.meta.name.namespace, reference.name), {})
    return entries.get(reference.key)


def _inside(path: Path, problem: Problem) -> Problem:
    where = f"line {problem.line}, column {problem.column}: {problem.text}" if problem.line else problem.text
    return Problem(where, (*path, "configMapRef"), rule=problem.rule)


def streams(world: World, api: StreamAPI) -> list[StreamView]:
    """The streams of an API whose configurations are known to the language."""
    spec = api.spec
    found = []
    for stream, path, config, _ in configurations(world, api):
        compiled = None if config is None else world.compiled.get(compile_digest(world, api, config))
        verdict = None
        if compiled is not None and not compiled.problems and spec is not None:
            wish = _wish(spec.delivery)
            verdict = delivery.plan(compiled.inputs, compiled.processors, compiled.outputs, wish, spec.gateway.replicas)
        found.append(StreamView(stream.name, config, path, compiled, verdict))
    return found


def _wish(wanted: Delivery | None) -> delivery.Wish:
    if wanted is None:
        return delivery.Wish()
    mode = delivery.Mode(wanted.mode) if wanted.mode else None
    guarantee = delivery.Guarantee(wanted.guarantee) if wanted.guarantee else None
    return delivery.Wish(mode, guarantee)


# --- references ---------------------------------------------------------------------------------------------------------


def missing_config_maps(world: World, api: StreamAPI) -> Iterator[Missing]:
    """ConfigMaps, or entries of them, that the API names and that are not there."""
    namespace = api.meta.name.namespace
    spec = api.spec
    if spec is None:
        return
    wanted = [(it.config_map_ref.name, [it.config_map_ref.key]) for it in spec.streams if it.config_map_ref]
    wanted += [(it.config_map_ref.name, it.config_map_ref.items or []) for it in spec.files or () if it.config_map_ref]
    for name, entries in wanted:
        there = world.config_maps.get(Name(namespace, name))
        if there is None:
            yield Missing("ConfigMapNotFound", absent(world, "ConfigMap", name))
            continue
        for entry in entries:
            if entry not in there:
                yield Missing("ConfigMapNotFound", f"ConfigMap {name} has no entry {entry}")


def secret_references(api: StreamAPI) -> Iterator[tuple[Name, list[str]]]:
    """Secrets an API names, with the entries it takes (none = all)."""
    namespace = api.meta.name.namespace
    for variable in (api.spec.variables if api.spec else None) or ():
        if variable.value_from is not None and variable.value_from.secret_key_ref is not None:
            reference = variable.value_from.secret_key_ref
            yield Name(namespace, reference.name), [reference.key]
    for files in (api.spec.files if api.spec else None) or ():
        if files.secret_ref is not None:
            yield Name(namespace, files.secret_ref.name), files.secret_ref.items or []


# --- the document -------------------------------------------------------------------------------------------------------


def pipeline(world: World, api: StreamAPI) -> dict[str, Any]:
    """The pipeline document of one API; every stream's configuration must be there and compiled."""
    if api.spec is None:
        raise ValueError(f"{api.meta.name} has no usable specification")
    name = api.meta.name
    entry = {
        "namespace": name.namespace,
        "name": name.name,
        "id": api_id(api),
        "variables": _variables(world, api),
        "files": {files.name: f"files/{name.namespace}.{name.name}/{files.name}" for files in api.spec.files or ()},
        "streams": [
            {"name": view.name, "config": view.config, "delivery": _delivery(api.spec.delivery, view.verdict)}
            for view in streams(world, api)
        ],
    }
    return {"version": VERSION, "apis": [entry]}


def document_hash(document: Mapping[str, Any]) -> str:
    """The ten digits that name a pipeline document."""
    return digest(document)[:10]


def encode(document: Any) -> bytes:
    """A document as gateways read it; the same document always gives the same bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), default=str).encode()


def size_of(document: Mapping[str, Any]) -> int:
    """Bytes of a document as JSON."""
    return len(json.dumps(document, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass"))


def undefined_variables(config: Any, defined: set[str], path: Path) -> list[Problem]:
    """Places in a configuration where `${NAME}` has neither a variable nor a default."""
    return variables.replace_in_values(config, lambda name: "x" if name in defined else None, path)[1]


def _variables(world: World, api: StreamAPI) -> dict[str, dict[str, str]]:
    name = api.meta.name
    found: dict[str, dict[str, str]] = {}
    for variable in (api.spec.variables if api.spec else None) or ():
        override = world.settings.variables.get(variable.name)
        if override is not None:
            found[variable.name] = {"value": override}
        elif variable.value is not None:
            found[variable.name] = {"value": variable.value}
        else:
            found[variable.name] = {"file": f"variables/{name.namespace}.{name.name}/{variable.name}"}
    return found


def _delivery(wanted: Delivery | None, verdict: delivery.Verdict | None) -> dict[str, Any]:
    """How a stream is delivered, defaults filled in; {} for one without clients."""
    if verdict is None or verdict.mode is None or verdict.guarantee is None:
        return {}
    history = wanted.history if wanted else None
    return {
        "mode": verdict.mode.value,
        "guarantee": verdict.guarantee.value,
        "history": {
            "duration": quantities.seconds(history.duration) if history and history.duration else HISTORY,
            "size": quantities.size(history.size) if history and history.size is not None else HISTORY_SIZE,
        },
        "slowConsumer": (wanted.slow_consumer if wanted else None) or "Disconnect",
        "heartbeat": quantities.seconds(wanted.heartbeat) if wanted and wanted.heartbeat else HEARTBEAT,
    }
