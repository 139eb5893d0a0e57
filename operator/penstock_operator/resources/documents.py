"""Reads one document of the group `penstock.dev` and says everything that is wrong with it, with the path and what was meant.

An object that cannot be used is still an object: it keeps its identity and its problems, so that the plan can say so in its status. Of a
StreamAPI the access half is read by itself, because it takes effect even while the streams cannot be used.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from penstock_gateway.errors import Path, Problem
from penstock_operator import quantities
from penstock_operator.resources.key import KeySpec
from penstock_operator.resources.policy import PolicySpec
from penstock_operator.resources.streamapi import AccessPart, PipelinePart, StreamAPISpec

GROUP = "penstock.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
NAME = r"^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$"
_NAMESPACE = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
LARGEST_SPEC = 200 * 1024
"""Bytes of a spec as JSON; a larger one would not fit beside the annotations that tools keep."""

M = TypeVar("M", bound=BaseModel)


class Name(NamedTuple):
    """The name of a namespaced object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Meta:
    """What Kubernetes says about an object. `created` in Unix seconds; `status` as it was last written."""

    name: Name
    uid: str
    generation: int = 1
    created: float = 0.0
    deleting: bool = False
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def age_key(self) -> tuple[float, Name]:
        """Sorts the oldest first; a tie goes by name."""
        return (self.created, self.name)


@dataclass(frozen=True, slots=True)
class StreamAPI:
    """A StreamAPI as it was read; `spec` is None when it cannot be used, `access` when nobody may be let in."""

    meta: Meta
    spec: StreamAPISpec | None
    access: AccessPart | None
    problems: tuple[Problem, ...] = ()
    kind = "StreamAPI"


@dataclass(frozen=True, slots=True)
class Policy:
    """A Policy as it was read; without a spec it grants nothing."""

    meta: Meta
    spec: PolicySpec | None
    problems: tuple[Problem, ...] = ()
    kind = "Policy"


@dataclass(frozen=True, slots=True)
class Key:
    """A Key as it was read; without a spec it opens nothing."""

    meta: Meta
    spec: KeySpec | None
    problems: tuple[Problem, ...] = ()
    kind = "Key"


Resource = StreamAPI | Policy | Key
KINDS = ("StreamAPI", "Policy", "Key")
_SPECS: dict[str, type[BaseModel]] = {"StreamAPI": StreamAPISpec, "Policy": PolicySpec, "Key": KeySpec}
_TOP = ("apiVersion", "kind", "metadata", "spec", "status")


def is_ours(document: Any) -> bool:
    """Whether a document belongs to the group, whatever its version and kind."""
    return isinstance(document, Mapping) and str(document.get("apiVersion", "")).split("/")[0] == GROUP


def read(document: Mapping[str, Any]) -> Resource:
    """The resource in a document whose kind is one of `KINDS`."""
    kind = document.get("kind")
    meta, problems = _meta(document)
    problems += list(_envelope(document))
    raw = document.get("spec")
    if kind == "StreamAPI":
        spec, wrong = _validate(StreamAPISpec, raw)
        access = spec if spec is not None else _access_half(raw)
        good = spec if not problems else None
        return StreamAPI(meta, good, access if not problems else None, (*problems, *wrong))
    if kind == "Policy":
        policy, wrong = _validate(PolicySpec, raw)
        return Policy(meta, policy if not problems else None, (*problems, *wrong))
    if kind == "Key":
        key, wrong = _validate(KeySpec, raw)
        return Key(meta, key if not problems else None, (*problems, *wrong))
    raise ValueError(f"not a kind of {GROUP}: {kind}")


def problems_of_kind(document: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with `apiVersion` and `kind`; a document with such a problem cannot be read."""
    found = []
    if document.get("apiVersion") != API_VERSION:
        found.append(Problem(f"must be '{API_VERSION}'", ("apiVersion",), rule="schema"))
    kind = document.get("kind")
    if kind not in KINDS:
        near = _suggest(str(kind), KINDS)
        found.append(Problem(f"must be one of {', '.join(KINDS)}{near}", ("kind",), rule="schema"))
    return found


def _envelope(document: Mapping[str, Any]) -> Iterator[Problem]:
    for name in document:
        if name not in _TOP:
            yield Problem(f"unknown field{_suggest(name, _TOP)}", (name,), rule="unknown-field")


def _meta(document: Mapping[str, Any]) -> tuple[Meta, list[Problem]]:
    raw = document.get("metadata")
    meta: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    name, problems = meta.get("name"), []
    if not isinstance(name, str) or re.fullmatch(NAME[1:-1], name, re.ASCII) is None:
        text = "must start with a letter, then lower case, digits and '-', at most 50 characters"
        problems.append(Problem(text, ("metadata", "name"), rule="schema"))
    namespace = meta.get("namespace") or "default"
    if not isinstance(namespace, str) or re.fullmatch(_NAMESPACE, namespace, re.ASCII) is None:
        text = "must be lower case, digits and '-', at most 63 characters"
        problems.append(Problem(text, ("metadata", "namespace"), rule="schema"))
    status, generation = document.get("status"), meta.get("generation")
    return Meta(
        Name(str(namespace), str(name)),
        str(meta.get("uid") or ""),
        generation if isinstance(generation, int) else 1,
        _created(meta.get("creationTimestamp")),
        "deletionTimestamp" in meta,
        status if isinstance(status, Mapping) else {},
    ), problems


def _created(stamp: Any) -> float:
    try:
        return quantities.instant(str(stamp))
    except ValueError:
        return 0.0


def _validate(model: type[M], raw: Any) -> tuple[M | None, list[Problem]]:
    if not isinstance(raw, Mapping):
        text = "is required" if raw is None else "must be an object"
        return None, [Problem(text, ("spec",), rule="schema")]
    problems = list(_nulls(raw, ("spec",)))
    if len(_json(raw)) > LARGEST_SPEC:
        text = f"must be smaller than {LARGEST_SPEC // 1024} KiB as JSON; put configurations into a ConfigMap (`configMapRef`)"
        problems.append(Problem(text, ("spec",), rule="size"))
    try:
        spec = model.model_validate(raw)
    except ValidationError as error:
        nulls = {problem.path for problem in problems}
        found = [_problem(model, detail) for detail in error.errors(include_url=False, include_context=True)]
        return None, problems + [problem for problem in found if problem.path not in nulls]
    return (None if problems else spec), problems


def _access_half(raw: Any) -> AccessPart | None:
    """The access half by itself; None as well when a field is unknown, since it may have been meant to close something."""
    if not isinstance(raw, Mapping):
        return None
    known = _aliases(StreamAPISpec)
    if any(name not in known for name in raw):
        return None
    pipeline = {*_aliases(PipelinePart), "displayName"}
    access, problems = _validate(AccessPart, {name: value for name, value in raw.items() if name not in pipeline})
    return None if problems else access


def _nulls(data: Any, path: Path) -> Iterator[Problem]:
    if path[1:2] == ("streams",) and path[-1] == "config":
        return
    if data is None:
        yield Problem("must not be null; leave the field out", path, rule="schema")
    elif isinstance(data, Mapping):
        for name, value in data.items():
            yield from _nulls(value, (*path, name))
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _nulls(value, (*path, number))


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, default=str)


_TEXTS = {
    "missing": "is required",
    "string_type": "must be text; quote it",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}


def _problem(model: type[BaseModel], detail: Any) -> Problem:
    path: Path = ("spec", *detail["loc"])
    context = detail.get("ctx") or {}
    match detail["type"]:
        case "extra_forbidden":
            owner = _model_at(model, detail["loc"][:-1])
            near = _suggest(str(detail["loc"][-1]), _aliases(owner) if owner else ())
            return Problem(f"unknown field{near}", path, rule="unknown-field")
        case "value_error":
            return Problem(str(context.get("error", detail["msg"])), path, rule="schema")
        case "literal_error":
            return Problem(f"must be one of {context['expected'].replace(' or ', ', ')}", path, rule="schema")
        case "greater_than_equal":
            return Problem(f"must be at least {context['ge']}{_unlimited(context['ge'])}", path, rule="schema")
        case "less_than_equal":
            return Problem(f"must be at most {context['le']}", path, rule="schema")
        case "too_short" | "too_long":
            bound = context.get("min_length", context.get("max_length"))
            return Problem(
                f"must have at {'least' if 'min_length' in context else 'most'} {bound}", path, rule="schema"
            )
        case other:
            return Problem(_TEXTS.get(other, detail["msg"]), path, rule="schema")


def _unlimited(bound: Any) -> str:
    return "; leave the field out for no limit" if bound == 1 else ""


def _suggest(wrong: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(wrong, known, 1, 0.6)
    return f"; did you mean `{near[0]}`?" if near else ""


def _aliases(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(described.alias or name for name, described in model.model_fields.items())


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    for step in path:
        if isinstance(step, int) or current is None:
            continue
        found = (described for name, described in current.model_fields.items() if (described.alias or name) == step)
        current = next((_model_in(described.annotation) for described in found), None)
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(part) for part in get_args(annotation))
    return next((part for part in inner if part is not None), None)


def spec_model(kind: str) -> type[BaseModel]:
    """The model of a kind's spec."""
    return _SPECS[kind]
