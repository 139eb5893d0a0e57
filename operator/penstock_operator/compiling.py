"""Asks the gateway's configuration language about a stream: what is wrong with it, else the facts that decide its delivery."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from penstock_gateway import config, lint, variables
from penstock_gateway.delivery import InputFacts, OutputFacts, ProcessorFacts
from penstock_gateway.errors import Path, Problem
from penstock_gateway.registry import Component, Kind
from penstock_operator import render
from penstock_operator.world import Compiled, World

DEEPEST, LONGEST = 150, 1_000
_GROUPS = ("consumer_group", "durable", "queue", "queue_group")


def compile_world(world: World, known: Mapping[str, Compiled]) -> dict[str, Compiled]:
    """What the language says about every configuration of a world, by digest; `known` answers are not asked for again."""
    found: dict[str, Compiled] = {}
    for api in world.apis.values():
        values = render.values(world, api)
        for _, _, data, _ in render.configurations(world, api):
            if data is not None:
                digest = render.compile_digest(world, api, data)
                found[digest] = known.get(digest) or compile_stream(data, values)
    return found


def compile_stream(data: Any, values: Mapping[str, str]) -> Compiled:
    """One configuration; `values` stand in for its variables, what is undefined stays as it is and is reported elsewhere."""
    unfit = next(_unfit(data, ()), None)
    if unfit is not None:
        return Compiled((unfit,))
    filled, _ = variables.replace_in_values(data, values.get)
    problems = lint.lint_stream(filled, (), names=values)
    stream, _ = config.parse_stream(filled)
    if stream is None or problems:
        return Compiled(tuple(problems))
    every = list(stream.components())
    return Compiled(
        (),
        tuple(_input(component) for component in config.leaf_inputs(stream.input)),
        tuple(_processor(component) for component in every if component.spec.kind is Kind.PROCESSOR),
        tuple(_outputs(stream.output)),
        dict(_endpoints(every)),
        tuple(_routes(every)),
        tuple(_groups(every)),
    )


def _unfit(data: Any, path: Path) -> Iterator[Problem]:
    """What no configuration needs and the compiler should never see: thousands of components, hundreds of levels."""
    if len(path) > DEEPEST:
        yield Problem(f"nested more than {DEEPEST} levels deep", path[:8], rule="size")
    elif isinstance(data, Mapping):
        for name, value in data.items():
            yield from _unfit(value, (*path, str(name)))
    elif isinstance(data, list):
        if len(data) > LONGEST and all(isinstance(item, Mapping) for item in data):
            yield Problem(f"has {len(data)} components, at most {LONGEST} fit in one list", path, rule="size")
            return
        for number, value in enumerate(data):
            yield from _unfit(value, (*path, number))


def _groups(components: Iterable[Component]) -> Iterator[str]:
    """The consumer groups a stream joins, each with the brokers it lives on."""
    for component in components:
        group = getattr(component.config, "consumer_group", "")
        if group:
            addresses = getattr(component.config, "addresses", None) or []
            yield f"{group} at {','.join(sorted(addresses))}"


def _input(component: Component) -> InputFacts:
    group = any(bool(getattr(component.config, name, None)) for name in _GROUPS)
    return InputFacts(
        component.name,
        component.label,
        component.spec.sharing,
        component.spec.positions,
        group,
        path=component.path,
    )


def _processor(component: Component) -> ProcessorFacts:
    spec = component.spec
    return ProcessorFacts(component.name, spec.shape, spec.state, spec.effects, component.path)


def _outputs(component: Component) -> Iterator[OutputFacts]:
    inside = [it for it in config.walk(component) if it.spec.kind is Kind.OUTPUT and it is not component]
    if not inside:
        yield OutputFacts(component.name, component.spec.clients, component.path)
    for child in inside:
        if not any(it.spec.kind is Kind.OUTPUT and it is not child for it in config.walk(child)):
            yield OutputFacts(child.name, child.spec.clients, child.path)


def _endpoints(components: Iterable[Component]) -> Iterator[tuple[str, str]]:
    """Where clients meet the stream: the paths that are written, or the defaults when none is."""
    for component in components:
        if component.name != "http_server":
            continue
        given: Any = component.config
        names = ("stream_path", "ws_path", "path") if component.spec.kind is Kind.OUTPUT else ("path", "ws_path")
        written = [name for name in names if name in given.model_fields_set] or list(names)
        for name in names:
            path = getattr(given, name, "")
            if name in written and path:
                yield _end(component, name), str(path)


def _routes(components: Iterable[Component]) -> Iterator[tuple[str, frozenset[str]]]:
    """The paths that are written; ones that nobody wrote give way, so they clash with nothing."""
    for component in components:
        given: Any = component.config
        for name in ("path", "stream_path", "ws_path") if component.name == "http_server" else ():
            path = getattr(given, name, "")
            if path and name in given.model_fields_set:
                verbs = given.allowed_verbs if name != "ws_path" else ()
                yield str(path), frozenset(str(verb).upper() for verb in verbs)


def _end(component: Component, name: str) -> str:
    if component.spec.kind is Kind.INPUT:
        return "post" if name == "path" else "ws_in"
    if name == "stream_path":
        return "sse" if getattr(component.config, "stream_format", "") == "event_source" else "stream"
    return "get" if name == "path" else "ws"
