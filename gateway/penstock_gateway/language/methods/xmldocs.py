"""Methods that read and write XML: parse_xml, format_xml."""

from __future__ import annotations

from penstock_gateway.document import Value
from penstock_gateway.language import xmlvalues
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.sizes import bounded, fitting
from penstock_gateway.language.values import bytes_of, text_of
from penstock_gateway.language.xmltokens import XMLError


@method("parse_xml", Param("cast", "bool", default=False), receives="bytes", annotate=False)
def parse_xml(target: bytes, cast: bool) -> Value:
    """Read an XML document."""
    try:
        return xmlvalues.parse(text_of(target), cast=cast)
    except XMLError as error:
        raise EvaluationError(f"failed to parse value as XML: {error}") from None


@method(
    "format_xml",
    Param("indent", "string", default="    "),
    Param("no_indent", "bool", default=False),
    receives="object",
    annotate=False,
)
def format_xml(target: dict[str, Value], indent: str, no_indent: bool) -> bytes:
    """Write an XML document, indented by four spaces unless told otherwise."""
    try:
        return bytes_of(fitting(xmlvalues.write(bounded(target), None if no_indent else indent)))
    except XMLError as error:
        raise EvaluationError(str(error)) from None
