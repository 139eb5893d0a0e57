"""Methods that read and write YAML: parse_yaml, format_yaml."""

from __future__ import annotations

from penstock_gateway.document import Value
from penstock_gateway.language import yamlread, yamlwrite
from penstock_gateway.language.errors import EvaluationError, WrongType
from penstock_gateway.language.registry import method
from penstock_gateway.language.sizes import bounded, fitting
from penstock_gateway.language.values import bytes_of, text_of


@method("parse_yaml")
def parse_yaml(target: Value) -> Value:
    """Read a YAML document."""
    if type(target) is bytes:
        text = text_of(target)
    elif type(target) is str:
        text = target
    else:
        raise WrongType(target, "string")
    try:
        return yamlread.parse(text.encode("utf-8", "replace").decode())
    except yamlread.YAMLError as error:
        raise EvaluationError(f"failed to parse value as YAML: {error}") from None


@method("format_yaml")
def format_yaml(target: Value) -> bytes:
    """Write a YAML document."""
    return bytes_of(fitting(yamlwrite.write(bounded(target))))
