"""From the registry to a JSON schema for editors and to the reference pages: what a component declares is its only description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from penstock_gateway import components, registry
from penstock_gateway.registry import Kind, Spec
from penstock_gateway.units import show_duration

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Inline(GenerateJsonSchema):
    """Keeps definitions apart by component, so that two `Case` models do not meet."""


def stream_schema() -> dict[str, Any]:
    """The JSON schema of a stream's configuration, components included."""
    components.register()
    definitions: dict[str, Any] = {}
    for kind in Kind:
        options = [_component_schema(spec, definitions) for _, spec in sorted(registry.specs(kind).items())]
        definitions[kind.value] = {"type": "object", "anyOf": options} if options else {"type": "object"}
    return {
        "$schema": _DIALECT,
        "title": "A stream of a StreamAPI: Bento's configuration",
        "type": "object",
        "required": ["input", "output"],
        "additionalProperties": False,
        "properties": {
            "input": {"$ref": "#/$defs/input"},
            "pipeline": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "threads": {
                        "type": "integer",
                        "description": "Batches processed at a time; -1 = as many as make sense.",
                    },
                    "processors": {"type": "array", "items": {"$ref": "#/$defs/processor"}},
                },
            },
            "output": {"$ref": "#/$defs/output"},
            "buffer": {"$ref": "#/$defs/buffer"},
            "input_resources": {"type": "array", "items": {"$ref": "#/$defs/input"}},
            "output_resources": {"type": "array", "items": {"$ref": "#/$defs/output"}},
            "cache_resources": {"type": "array", "items": {"$ref": "#/$defs/cache"}},
        },
        "$defs": definitions,
    }


def _component_schema(spec: Spec, definitions: dict[str, Any]) -> dict[str, Any]:
    prefix = f"{spec.kind.value}.{spec.name}"
    body = _linked(spec.config.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}", schema_generator=_Inline))
    for name, definition in body.pop("$defs", {}).items():
        definitions[f"{prefix}.{name}"] = definition
    if spec.bare:
        body = body["properties"]["value"]
    body.pop("title", None)
    body["description"] = spec.summary
    properties: dict[str, Any] = {spec.name: body, "label": {"type": "string", "pattern": "^([a-z0-9][a-z0-9_]*)?$"}}
    if spec.kind in (Kind.INPUT, Kind.OUTPUT):
        properties["processors"] = {"type": "array", "items": {"$ref": "#/$defs/processor"}}
    definitions[prefix] = {"properties": properties, "required": [spec.name], "additionalProperties": False}
    return {"$ref": f"#/$defs/{prefix}"}


def _linked(node: Any) -> Any:
    """The schema with slots as references to any component of their kind (pydantic would look them up in its own definitions),
    and with defaults of durations as they are written, `5s`."""
    if isinstance(node, list):
        return [_linked(item) for item in node]
    if not isinstance(node, dict):
        return node
    linked = {name: _linked(value) for name, value in node.items() if name != "x-slot"}
    shapes = [node, *node["anyOf"]] if isinstance(node.get("anyOf"), list) else [node]
    if isinstance(node.get("default"), float) and any(shape.get("format") == "go-duration" for shape in shapes):
        linked["default"] = show_duration(node["default"])
    return linked | ({"$ref": f"#/$defs/{node['x-slot']}"} if "x-slot" in node else {})


def reference_pages() -> dict[str, str]:
    """File name → Markdown: one page a kind, a table of fields a component."""
    components.register()
    pages = {}
    for kind in Kind:
        specs = registry.specs(kind)
        if specs:
            title = f"{kind.value.replace('_', ' ').capitalize()}s"
            body = "\n".join("\n".join(_describe(spec)) for _, spec in sorted(specs.items()))
            pages[f"components-{kind.value}.md"] = f"# {title}\n\nGenerated from the code: `make generate`.\n\n{body}"
    return pages


def _describe(spec: Spec) -> Iterator[str]:
    yield f"## {spec.name}\n"
    yield f"{spec.summary}\n"
    facts = _facts(spec)
    if facts:
        yield f"{facts}\n"
    schema = _linked(spec.config.model_json_schema())
    fields = schema.get("properties", {})
    if not fields:
        yield "No fields.\n"
        return
    yield "| field | type | default | meaning |"
    yield "|---|---|---|---|"
    required = set(schema.get("required", ()))
    for name, field in fields.items():
        shown = "(the whole configuration)" if spec.bare and name == "value" else f"`{name}`"
        default = "required" if name in required else f"`{json.dumps(field.get('default'))}`"
        yield f"| {shown} | {_type_of(field)} | {default} | {_cell(field.get('description', ''))} |"
    yield ""


def _facts(spec: Spec) -> str:
    facts = []
    if spec.host:
        facts.append("Only for `penstock run`: it reads the host.")
    if spec.kind is Kind.INPUT:
        facts.append(f"Positions: {spec.positions}. Sharing: {spec.sharing}.")
    if spec.kind is Kind.PROCESSOR:
        facts.append(f"Shape: {spec.shape}. State: {spec.state}. Effects: {spec.effects}.")
    return " ".join(facts)


def _type_of(field: dict[str, Any]) -> str:
    if "x-slot" in field:
        return str(field["x-slot"])
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[-1].rsplit(".", 1)[-1]
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("format") == "go-duration":
        return "duration"
    if "anyOf" in field:
        return " or ".join(_type_of(option) for option in field["anyOf"] if option.get("type") != "null")
    if field.get("type") == "array":
        return f"list of {_type_of(field.get('items', {}))}"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"map of {_type_of(inner)}" if isinstance(inner, dict) else "object"
    return str(field.get("type", "any"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
