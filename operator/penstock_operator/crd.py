"""Turns the models of the resources into CustomResourceDefinitions with structural schemas. Pure.

A pydantic schema is not structural: references are inlined, `null` branches and titles dropped, `const` becomes `enum`, and a default
below a list becomes a sentence, because tools that compare desired with live state would see a difference for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from penstock_operator.resources import documents, statuses
from penstock_operator.resources.documents import API_VERSION, GROUP, NAME, VERSION

LARGEST = 200_000
"""Bytes of one file; above 256 KiB `kubectl apply` cannot keep its copy in an annotation."""

_DROPPED = ("title", "$defs", "examples", "const", "discriminator")
_NAME_RULE = {
    "rule": f"self.metadata.name.matches('{NAME}')",
    "message": "metadata.name must start with a letter, then lower case, digits and '-', at most 50 characters",
}


def _column(name: str, path: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": more.pop("type", "string"), "jsonPath": path, **more}


def _condition(type_: str, part: str = "status") -> str:
    return f'.status.conditions[?(@.type=="{type_}")].{part}'


_AGE = _column("Age", ".metadata.creationTimestamp", type="date")
_REASON = _column("Reason", _condition("Ready", "reason"), priority=1)
_KINDS: dict[str, dict[str, Any]] = {
    "StreamAPI": {
        "plural": "streamapis",
        "short": "sapi",
        "doc": "StreamAPI: streams of messages and how clients get in.",
        "status": statuses.StreamAPIStatus,
        "columns": [
            _column("Protocols", ".status.protocols"),
            _column("URL", ".status.url"),
            _column("Ready", _condition("Ready")),
            _REASON,
            _AGE,
        ],
        "scale": {
            "specReplicasPath": ".spec.gateway.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
        "selectable": [".spec.state"],
    },
    "Policy": {
        "plural": "policies",
        "short": "spol",
        "doc": "Policy: what the holders of a key may use, how much and how long.",
        "status": statuses.PolicyStatus,
        "columns": [
            _column("Accepted", _condition("Accepted")),
            _column("Programmed", _condition("Programmed")),
            _column("Keys", ".status.keys", type="integer"),
            _REASON,
            _AGE,
        ],
        "selectable": [".spec.state"],
    },
    "Key": {
        "plural": "keys",
        "short": "skey",
        "doc": "Key: the credential of one consumer and the policies it holds.",
        "status": statuses.KeyStatus,
        "columns": [
            _column("Policies", ".status.policies"),
            _column("Ready", _condition("Ready")),
            _column("Expires", ".status.expirationTime"),
            _REASON,
            _AGE,
        ],
        "selectable": [".spec.state"],
        "labels": {"servicebinding.io/provisioned-service": "true"},
    },
}


def definitions() -> dict[str, dict[str, Any]]:
    """The three CustomResourceDefinitions by file name."""
    return {f"{GROUP}_{about['plural']}.yaml": definition(kind) for kind, about in _KINDS.items()}


def definition(kind: str) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    about = _KINDS[kind]
    plural = about["plural"]
    subresources: dict[str, Any] = {"status": {}}
    if "scale" in about:
        subresources["scale"] = about["scale"]
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _schema(kind, about)},
        "subresources": subresources,
        "additionalPrinterColumns": about["columns"],
        "selectableFields": [{"jsonPath": path} for path in about["selectable"]],
    }
    labels = {"app.kubernetes.io/part-of": "penstock", **about.get("labels", {})}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "labels": labels},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [about["short"]],
                "categories": ["penstock"],
            },
            "conversion": {"strategy": "None"},
            "versions": [version],
        },
    }


def _schema(kind: str, about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": about["doc"],
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"`{API_VERSION}`."},
            "kind": {"type": "string", "description": f"`{kind}`."},
            "metadata": {"type": "object"},
            "spec": of_model(documents.spec_model(kind)),
            "status": of_model(about["status"]),
        },
        "x-kubernetes-validations": [_NAME_RULE],
    }


def of_model(model: type[BaseModel]) -> dict[str, Any]:
    """The structural schema of a model."""
    raw = model.model_json_schema()
    return structural(raw, raw.get("$defs", {}))


def structural(
    node: Mapping[str, Any], named: Mapping[str, Any], path: str = "$", below_list: bool = False
) -> dict[str, Any]:
    """A JSON schema of pydantic's as a structural one; ValueError with the path for what cannot be one."""
    schema = _without_null(_inlined(node, named), named, path)
    for name in _DROPPED:
        if name == "const" and name in schema:
            schema["enum"] = [schema["const"]]
        schema.pop(name, None)
    _defaults(schema, below_list)
    extra = schema.pop("additionalProperties", None)
    if schema.get("type") == "object" and "properties" not in schema:
        _free(schema, extra, named, path, below_list)
    if "properties" in schema:
        fields = schema["properties"].items()
        schema["properties"] = {name: structural(it, named, f"{path}.{name}", below_list) for name, it in fields}
    if "items" in schema:
        schema["items"] = structural(schema["items"], named, f"{path}[]", True)
    for refused in ("anyOf", "oneOf", "allOf", "not", "prefixItems", "$ref"):
        if refused in schema:
            raise ValueError(f"{path}: {refused} cannot be in a structural schema")
    return schema


def _inlined(node: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    schema = dict(node)
    while "$ref" in schema:
        name = schema.pop("$ref").rsplit("/", 1)[-1]
        schema = {**named[name], **schema}
    return schema


def _without_null(schema: dict[str, Any], named: Mapping[str, Any], path: str) -> dict[str, Any]:
    if "anyOf" not in schema:
        return schema
    options = [option for option in schema.pop("anyOf") if option.get("type") != "null"]
    if len(options) != 1:
        raise ValueError(f"{path}: a union of types cannot be in a structural schema; use one field per member")
    return _inlined({**_inlined(options[0], named), **schema}, named)


def _defaults(schema: dict[str, Any], below_list: bool) -> None:
    default = schema.get("default")
    if default is None:
        schema.pop("default", None)
    elif below_list:
        schema["description"] = f"{schema.get('description', '')} Default: {schema.pop('default')!r}.".strip()


def _free(schema: dict[str, Any], extra: Any, named: Mapping[str, Any], path: str, below_list: bool) -> None:
    """An object without fields of its own: a map of one kind of value, or anything at all."""
    names = schema.pop("propertyNames", None)
    patterns = schema.pop("patternProperties", None)
    if isinstance(patterns, Mapping) and len(patterns) == 1:
        ((pattern, extra),) = patterns.items()
        names = {"pattern": pattern}
    if not isinstance(extra, Mapping):
        schema["x-kubernetes-preserve-unknown-fields"] = True
        for bound in ("minProperties", "maxProperties"):
            schema.pop(bound, None)
        return
    schema["additionalProperties"] = structural(extra, named, f"{path}[*]", below_list)
    if names:
        _key_rules(schema, _inlined(names, named))


def _key_rules(schema: dict[str, Any], names: Mapping[str, Any]) -> None:
    most, pattern = names.get("maxLength", 253), names.get("pattern", "")
    rules = [{"rule": f"self.all(name, size(name) <= {most})", "message": f"names must have at most {most} characters"}]
    if pattern:
        rules.append({"rule": f"self.all(name, name.matches('{pattern}'))", "message": f"names must match {pattern}"})
    schema["x-kubernetes-validations"] = [*schema.get("x-kubernetes-validations", ()), *rules]


class _Dumper(yaml.SafeDumper):
    """Block style, long lines, no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Every value is written out."""
        return True


def text(definition_: Mapping[str, Any]) -> str:
    """A definition as the YAML that is stored in `crds/`."""
    head = "# Generated by `penstock crd --write crds` from the models in operator/penstock_operator/resources; do not edit.\n"
    return head + yaml.dump(dict(definition_), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
