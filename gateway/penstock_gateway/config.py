"""Reads the configuration of a stream: plain data in, components in their slots or a list of problems with exact paths out.

Everything here is pure: nothing is connected, no file is read. A problem's path leads to the data; whoever holds the YAML text
turns it into line and column (`yamltext.Document.place`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from penstock_gateway import components, registry
from penstock_gateway.components.known import KNOWN
from penstock_gateway.errors import Path, Problem
from penstock_gateway.registry import Component, Config, HostOnly, Kind, Slot, Spec

RESOURCES = {
    "cache_resources": Kind.CACHE,
    "processor_resources": Kind.PROCESSOR,
    "rate_limit_resources": Kind.RATE_LIMIT,
}
_PLACED = {"input_resources": Kind.INPUT, "output_resources": Kind.OUTPUT}
_ROOT_FIELDS = (
    "input",
    "buffer",
    "pipeline",
    "output",
    *RESOURCES,
    *_PLACED,
    "logger",
    "metrics",
    "tracer",
    "http",
    "tests",
)
_ROOT_BARE = ("shutdown_timeout", "shutdown_delay")
MAX_COMPONENTS, MAX_NESTING = 1000, 50
"""A configuration beyond these is a mistake or an attack: every level of nesting is a level of calls per batch."""

_SIBLINGS = {"label", "type", "plugin"}
_LABEL_RULE = "should match the regular expression /^[a-z0-9_]+$/ and must not start with an underscore"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a configuration may hold: bare ones (`penstock run`) may use the host, those of a StreamAPI may not."""

    bare: bool = False


@dataclass(slots=True)
class StreamConfig:
    """One stream, ready to be built."""

    input: Component
    output: Component
    processors: list[Component] = field(default_factory=list)
    threads: int = -1
    resources: dict[Kind, dict[str, Component]] = field(default_factory=dict)
    buffer: Component | None = None
    http_address: str = "0.0.0.0:4195"
    http_enabled: bool = True
    log_level: str = "INFO"
    shutdown_timeout: float = 20.0
    bare: bool = False

    def components(self) -> Iterator[Component]:
        """Every component, nested ones included."""
        resources = (resource for labelled in self.resources.values() for resource in labelled.values())
        buffer = [self.buffer] if self.buffer else []
        for top in (self.input, *buffer, *self.processors, self.output, *resources):
            yield from walk(top)


def parse_stream(data: Any, path: Path = (), rules: Rules | None = None) -> tuple[StreamConfig | None, list[Problem]]:
    """The stream a configuration describes, and every problem found in it; None when it cannot be built."""
    components.register()
    parser = _Parser(rules or Rules())
    stream = parser.stream(data, path)
    return (None if parser.problems else stream), parser.problems


def walk(component: Component) -> Iterator[Component]:
    """A component and everything in its slots."""
    yield component
    for child in component.processors:
        yield from walk(child)
    for _, slot in _slots(component.config, ()):
        if slot.component is not None:
            yield from walk(slot.component)


def leaf_inputs(component: Component) -> Iterator[Component]:
    """The inputs that really read: the children of a broker, in order, else the input itself."""
    children = [slot.resolved() for _, slot in _slots(component.config, ()) if slot.kind is Kind.INPUT]
    if not children:
        yield component
    for child in children:
        yield from leaf_inputs(child)


def _slots(value: Any, path: Path) -> Iterator[tuple[Path, Slot]]:
    if isinstance(value, Slot):
        yield path, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _slots(getattr(value, name), (*path, name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _slots(item, (*path, key))
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from _slots(item, (*path, n))


class _Parser:
    """Walks one configuration and gathers problems."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.problems: list[Problem] = []
        self.labels: dict[str, Path] = {}
        self.count = self.depth = 0
        self.declared: dict[tuple[Kind, str], tuple[Any, Path]] = {}
        self.placed: dict[tuple[Kind, str], Component | None] = {}
        self.placing: set[tuple[Kind, str]] = set()

    def fault(self, text: str, path: Path, rule: str = "config") -> None:
        self.problems.append(Problem(text, path, rule=rule))

    # --- the root -------------------------------------------------------------------------------------------------------

    def stream(self, data: Any, path: Path) -> StreamConfig | None:
        if not isinstance(data, dict):
            self.fault(f"expected object value, got {_kind_of(data)}", path)
            return None
        known = (*_ROOT_FIELDS, *_ROOT_BARE) if self.rules.bare else _ROOT_FIELDS
        for name in data:
            if name not in known:
                self._unknown_root(name, path, known)
        buffer = self._buffer(data.get("buffer"), (*path, "buffer"))
        for name, kind in _PLACED.items():
            self._declare(data.get(name), kind, (*path, name))
        resources = {kind: self._resources(data.get(name), kind, (*path, name)) for name, kind in RESOURCES.items()}
        source = self._required(data, Kind.INPUT, path)
        threads, processors = self._pipeline(data.get("pipeline"), (*path, "pipeline"))
        sink = self._required(data, Kind.OUTPUT, path)
        for kind, label in self.declared.keys() - self.placed.keys():  # nobody uses them: only their mistakes count
            unused = self._place(kind, label, path)
            if unused is not None:
                resources.setdefault(kind, {})[label] = unused
        if source is None or sink is None:
            return None
        stream = StreamConfig(source, sink, processors, threads, resources, buffer, bare=self.rules.bare)
        self._bare_settings(stream, data)
        return stream

    def _unknown_root(self, name: str, path: Path, known: tuple[str, ...]) -> None:
        if name.endswith("_resources") or name in ("error_handling", *_ROOT_BARE):
            self.fault(f"{name} is not supported here", (*path, name), "not-supported")
        else:
            self.fault(f"field {name} not recognised{_meant(name, known)}", (*path, name), "unknown-field")

    def _bare_settings(self, stream: StreamConfig, data: dict[str, Any]) -> None:
        http, logger = data.get("http"), data.get("logger")
        if isinstance(http, dict):
            stream.http_address = str(http.get("address", stream.http_address))
            stream.http_enabled = bool(http.get("enabled", True))
        if isinstance(logger, dict):
            stream.log_level = str(logger.get("level", "INFO")).upper()
        if "shutdown_timeout" in data:
            stream.shutdown_timeout = self._seconds(data["shutdown_timeout"], ("shutdown_timeout",))

    def _seconds(self, text: Any, path: Path) -> float:
        from penstock_gateway.units import parse_duration

        try:
            return parse_duration(str(text))
        except ValueError as error:
            self.fault(str(error), path, "duration")
            return 0.0

    def _buffer(self, data: Any, path: Path) -> Component | None:
        if data is None or (isinstance(data, dict) and set(data) <= {"none"}):
            return None
        return self.component(Kind.BUFFER, data, path)

    def _declare(self, data: Any, kind: Kind, path: Path) -> None:
        """Resources that are put where a `resource` names them; read there, so that order does not matter."""
        if data is not None and not isinstance(data, list):
            self.fault("expected array value", path)
            return
        for n, item in enumerate(data or []):
            label = item.get("label") if isinstance(item, dict) else None
            if not isinstance(label, str) or not label:
                self.fault("the label field for resources must be unique and not empty", (*path, n), "label")
            elif (kind, label) in self.declared:
                self.fault(f"label '{label}' collides with a previously defined label", (*path, n, "label"), "label")
            else:
                self.declared[kind, label] = (item, (*path, n))

    def _place(self, kind: Kind, label: str, path: Path) -> Component | None:
        """The input or output resource of that label; None when there is none that can be used."""
        key = (kind, label)
        if key not in self.declared:
            self.fault(f"{kind} resource '{label}' was not found: add it to {kind}_resources", path, "resource")
            return None
        if key in self.placing:
            self.fault(f"{kind} resource '{label}' contains itself", path, "resource")
            return None
        if key not in self.placed:
            self.placing.add(key)
            self.placed[key] = self.component(kind, *self.declared[key])
            self.placing.discard(key)
        return self.placed[key]

    def _required(self, data: dict[str, Any], kind: Kind, path: Path) -> Component | None:
        if kind.value not in data:
            if self.rules.bare and kind is Kind.OUTPUT:
                return self.component(kind, {"stdout": {}}, (*path, kind.value))
            self.fault(f"field {kind} is required", path, "required")
            return None
        return self.component(kind, data[kind.value], (*path, kind.value))

    def _pipeline(self, data: Any, path: Path) -> tuple[int, list[Component]]:
        if data is None:
            return -1, []
        if not isinstance(data, dict):
            self.fault(f"expected object value, got {_kind_of(data)}", path)
            return -1, []
        for name in data:
            if name not in ("threads", "processors"):
                self.fault(f"field {name} not recognised", (*path, name), "unknown-field")
        threads = data.get("threads", -1)
        if not isinstance(threads, int) or isinstance(threads, bool):
            self.fault(f"expected a whole number, got {_kind_of(threads)}", (*path, "threads"))
            threads = -1
        return threads, self._list(data.get("processors", []), Kind.PROCESSOR, (*path, "processors"))

    def _list(self, data: Any, kind: Kind, path: Path) -> list[Component]:
        if not isinstance(data, list):
            self.fault("expected array value", path)
            return []
        found = [self.component(kind, item, (*path, n)) for n, item in enumerate(data)]
        return [component for component in found if component is not None]

    def _resources(self, data: Any, kind: Kind, path: Path) -> dict[str, Component]:
        found = self._list(data or [], kind, path)
        for component in found:
            if not component.label:
                self.fault("the label field for resources must be unique and not empty", component.path, "label")
        return {component.label: component for component in found}

    # --- one component --------------------------------------------------------------------------------------------------

    def component(self, kind: Kind, data: Any, path: Path) -> Component | None:
        """The component at a place; None (and problems) when it is not one."""
        self.count += 1
        if self.count > MAX_COMPONENTS:
            if self.count == MAX_COMPONENTS + 1:
                self.fault(f"the configuration has more than {MAX_COMPONENTS} components", path, "size")
            return None
        if self.depth >= MAX_NESTING:
            self.fault(f"components are nested deeper than {MAX_NESTING} levels", path, "size")
            return None
        self.depth += 1
        try:
            return self._component(kind, data, path)
        finally:
            self.depth -= 1

    def _component(self, kind: Kind, data: Any, path: Path) -> Component | None:
        if not isinstance(data, dict):
            self.fault(f"expected object value, got {_kind_of(data)}", path)
            return None
        spec = self._infer(kind, data, path)
        if spec is None:
            return None
        if spec.host and not self.rules.bare:
            text = f"{kind} {spec.name} reads the host and is not allowed in a StreamAPI; it exists for `penstock run`"
            self.fault(text, (*path, spec.name), "host")
            return None
        config = self._config(spec, data.get(spec.name), (*path, spec.name))
        label = self._label(data.get("label", ""), (*path, "label"))
        processors = []
        if kind in (Kind.INPUT, Kind.OUTPUT):
            processors = self._list(data.get("processors", []), Kind.PROCESSOR, (*path, "processors"))
        if config is None:
            return None
        if spec.name == "resource" and kind in _PLACED.values():
            found = self._place(kind, getattr(config, "value", ""), (*path, spec.name))
            if found is None:
                return None
            steps = (found.processors, processors) if kind is Kind.INPUT else (processors, found.processors)
            return replace(found, label=label or found.label, processors=[*steps[0], *steps[1]])
        return Component(spec, config, path, label, processors)

    def _infer(self, kind: Kind, data: dict[str, Any], path: Path) -> Spec | None:
        specs = registry.specs(kind)
        siblings = _SIBLINGS | ({"processors"} if kind in (Kind.INPUT, Kind.OUTPUT) else set())
        names = [name for name in data if name not in siblings]
        if not names and isinstance(data.get("type"), str):
            names = [data["type"]]
        known = [name for name in names if name in specs or name in KNOWN.get(kind, ())]
        if len(known) > 1:
            listed = " and ".join(f"'{name}'" for name in known)
            self.fault(f"unable to infer {kind} type, multiple candidates {listed}", path, "component")
            return None
        if not known:
            text = f"unable to infer {kind} type from candidates: [{' '.join(names)}]"
            self.fault(text + (_meant(names[0], specs) if names else ""), path, "component")
            return None
        for name in names:
            if name != known[0]:
                self.fault(f"field {name} not recognised", (*path, name), "unknown-field")
        if known[0] not in specs:
            text = f"{kind} {known[0]} exists in Bento but is not supported here yet{_instead(kind, specs)}"
            self.fault(text, (*path, known[0]), "not-supported")
            return None
        return specs[known[0]]

    def _label(self, label: Any, path: Path) -> str:
        if not isinstance(label, str) or (label and not _is_label(label)):
            self.fault(f"invalid label '{label}': {_LABEL_RULE}", path, "label")
            return ""
        if label and label in self.labels:
            self.fault(f"label '{label}' collides with a previously defined label", path, "label")
        elif label:
            self.labels[label] = path
        return label

    def _config(self, spec: Spec, data: Any, path: Path) -> Config | None:
        fields = {"value": data} if spec.bare else ({} if data is None else data)
        if not isinstance(fields, dict):
            self.fault(f"expected object value, got {_kind_of(data)}", path)
            return None
        try:
            config = spec.config.model_validate(fields)
        except ValidationError as error:
            self.problems += describe(error, path, spec.config, bare=spec.bare)
            return None
        self._host_fields(config, path)
        for inner, slot in _slots(config, ()):
            slot.component = self.component(slot.kind, slot.data, (*path, *(inner[1:] if spec.bare else inner)))
        return config

    def _host_fields(self, config: BaseModel, path: Path) -> None:
        """Also in the parts of a configuration, such as the files of `tls`."""
        if self.rules.bare:
            return
        for name, field_info in type(config).model_fields.items():
            value = getattr(config, name)
            mark = next((mark for mark in field_info.metadata if isinstance(mark, HostOnly)), None)
            if mark is not None and value:
                text = f"field {name} is not allowed in a StreamAPI: {mark.advice}; it exists for `penstock run`"
                self.fault(text, (*path, name), "host")
            for number, part in enumerate(value) if isinstance(value, list) else ((None, value),):
                if isinstance(part, BaseModel):
                    self._host_fields(part, (*path, name) if number is None else (*path, name, number))


def describe(error: ValidationError, path: Path, model: type[BaseModel], *, bare: bool = False) -> list[Problem]:
    """pydantic's findings as problems, in Bento's words where Bento has some."""
    problems = []
    for finding in error.errors(include_url=False):
        place = finding["loc"][1:] if bare else finding["loc"]
        name = str(place[-1]) if place else ""
        where = path + tuple(place)
        kind = finding["type"]
        if kind == "extra_forbidden":
            problems.append(
                Problem(f"field {name} not recognised{_meant(name, model.model_fields)}", where, rule="unknown-field")
            )
        elif kind == "missing":
            shown = name or str(path[-1])
            problems.append(Problem(f"field {shown} is required", where[:-1] if place else path, rule="required"))
        elif kind in ("literal_error", "enum"):
            text = f"value {finding['input']} is not a valid option for this field: {finding['ctx']['expected']}"
            problems.append(Problem(text, where, rule="option"))
        elif kind == "value_error":
            problems.append(Problem(str(finding["ctx"]["error"]), where, rule="value"))
        else:
            problems.append(Problem(_sentence(finding["msg"], finding["input"]), where, rule="type"))
    return problems


def _sentence(text: str, value: Any) -> str:
    shown = repr(value) if isinstance(value, str | int | float | bool) and len(repr(value)) <= 60 else _kind_of(value)
    return f"{text[:1].lower()}{text[1:]}, got {shown}"


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f", did you mean {close[0]}?" if close else ""


def _instead(kind: Kind, specs: Iterable[str]) -> str:
    return f"; {kind}s that are: {', '.join(sorted(specs))}"


def _is_label(text: str) -> bool:
    return not text.startswith("_") and all(c.isascii() and (c.isdigit() or c.islower() or c == "_") for c in text)


def _kind_of(value: Any) -> str:
    if value is None:
        return "nothing"
    names = {bool: "a bool", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
