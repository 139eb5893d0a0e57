"""`penstock schema`: JSON schemas, for editors."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from penstock_operator import console

EXAMPLES = "Examples: `penstock schema > penstock.schema.json`, `penstock schema stream`"


def schema(
    what: Annotated[
        str, typer.Argument(help="`StreamAPI`, `Policy`, `Key`, `stream` (a Bento configuration), or `all`.")
    ] = "all",
) -> None:
    """Print the JSON schema of resource files, of one resource, or of a stream's configuration."""
    from penstock_gateway import schema as gateway_schema
    from penstock_operator.resources import documents

    if what == "stream":
        built = gateway_schema.stream_schema()
    elif what == "all":
        built = _all(documents.KINDS)
    elif what in documents.KINDS:
        built = _resource(what)
    else:
        console.fail(f"there is no schema {what!r}: StreamAPI, Policy, Key, stream or all", console.USAGE)
    print(json.dumps(built, indent=1, ensure_ascii=False))


def _all(kinds: tuple[str, ...]) -> dict[str, Any]:
    cases = [{"if": {"properties": {"kind": {"const": kind}}}, "then": _resource(kind)} for kind in kinds]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "allOf": cases}


def _resource(kind: str) -> dict[str, Any]:
    from penstock_gateway import schema as gateway_schema
    from penstock_operator import crd
    from penstock_operator.resources import documents

    spec = _strict(crd.of_model(documents.spec_model(kind)))
    found: dict[str, Any] = {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": documents.API_VERSION},
            "kind": {"const": kind},
            "metadata": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string", "pattern": documents.NAME}},
            },
            "spec": spec,
            "status": {"type": "object"},
        },
    }
    if kind == "StreamAPI":
        stream = gateway_schema.stream_schema()
        stream["$id"] = "https://penstock.dev/schema/stream"
        stream.pop("$schema", None)
        spec["properties"]["streams"]["items"]["properties"]["config"] = stream
    return found


def _strict(node: Any) -> Any:
    """A structural schema for editors: unknown fields are wrong, Kubernetes' own words are gone."""
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _strict(value) for name, value in node.items() if not name.startswith("x-kubernetes")}
    if node.get("x-kubernetes-int-or-string"):
        kept["type"] = ["integer", "string"]
    if "properties" in node and "type" in node:
        kept["additionalProperties"] = False
    return kept
