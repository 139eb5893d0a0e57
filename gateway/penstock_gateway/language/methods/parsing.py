"""Methods that read and write documents inside of strings: JSON, CSV, URLs, forms, decimals."""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway.document import DocumentError, Value
from penstock_gateway.language import jsontext
from penstock_gateway.language.csvtext import CSVError, read_records
from penstock_gateway.language.errors import EvaluationError, WrongType
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.sizes import MAX_TEXT, bounded, too_large
from penstock_gateway.language.urls import URLError, parse_query
from penstock_gateway.language.urls import parse_url as read_url
from penstock_gateway.language.values import bytes_of, text_of


def _raw(target: Value) -> bytes:
    if type(target) is str:
        return bytes_of(target)
    if type(target) is bytes:
        return target
    raise WrongType(target, "string")


@method("parse_json", Param("use_number", "bool", optional=True))
def parse_json(target: Value, use_number: bool | None) -> Value:
    """Read JSON; numbers become float64 unless use_number."""
    raw = _raw(target)
    try:
        return jsontext.parse(raw, use_number=bool(use_number))
    except DocumentError as error:
        text = "EOF" if not raw.strip() else error.text
        text = text.replace("unexpected end of JSON input", "unexpected EOF")
        raise EvaluationError(f"failed to parse value as JSON: {text}") from None


@method(
    "format_json",
    Param("indent", "string", default="    "),
    Param("no_indent", "bool", default=False),
    Param("escape_html", "bool", default=True),
)
def format_json(target: Value, indent: str, no_indent: bool, escape_html: bool) -> bytes:
    """Write JSON, indented by four spaces unless told otherwise."""
    try:
        # an empty indent is taken as none
        text = jsontext.write(bounded(target), None if no_indent or not indent else indent, escape_html=escape_html)
    except DocumentError as error:
        raise EvaluationError(error.text) from None
    if len(text) > MAX_TEXT:
        raise too_large()
    return text


@method(
    "parse_csv",
    Param("parse_header_row", "bool", default=True),
    Param("delimiter", "string", default=","),
    Param("lazy_quotes", "bool", default=False),
)
def parse_csv(target: Value, parse_header_row: bool, delimiter: str, lazy_quotes: bool) -> list[Value]:
    """Read CSV: an array of objects by the header row, or of arrays."""
    if len(delimiter) != 1:
        raise EvaluationError("delimiter value must be exactly one character")
    text = text_of(_raw(target))
    try:
        records = read_records(text, delimiter, lazy_quotes)
    except CSVError as error:
        raise EvaluationError(str(error)) from None
    if not records:
        raise EvaluationError("zero records were parsed")
    if not parse_header_row:
        return list(records)
    header = records[0]
    return [dict(zip(header, record, strict=True)) for record in records[1:]]


@method("parse_url", receives="string")
def parse_url(target: str) -> dict[str, Value]:
    """Take a URL apart."""
    try:
        url = read_url(target)
    except URLError as error:
        raise EvaluationError(str(error)) from None
    found: dict[str, Value] = {
        "scheme": url.scheme,
        "opaque": url.opaque,
        "host": url.host,
        "path": url.path,
        "raw_path": url.raw_path,
        "raw_query": url.raw_query,
        "fragment": url.fragment,
        "raw_fragment": url.raw_fragment,
    }
    if url.user is not None:
        user: dict[str, Value] = {"name": url.user}
        if url.password is not None:
            user["password"] = url.password
        found["user"] = user
    return found


@method("parse_form_url_encoded", receives="string", annotate=False)
def parse_form_url_encoded(target: str) -> dict[str, Value]:
    """Read a form body; a key that occurs several times gives an array."""
    try:
        values = parse_query(target)
    except URLError as error:
        raise EvaluationError(f"failed to parse value as url-encoded data: {error}") from None
    return {key: items[0] if len(items) == 1 else items for key, items in values.items()}


@method("parse_big_decimal", Param("scale", "integer"), receives="bytes", prepare=True, annotate=False)
def parse_big_decimal(scale: int) -> Callable[[bytes], str]:
    """Read a big-endian two's complement integer and put the decimal point `scale` digits from its end."""
    if not 0 <= scale <= 1000:
        raise EvaluationError(f"scale must lie between 0 and 1000, got {scale}")

    def run(target: bytes) -> str:
        if len(target) > 1000:
            raise EvaluationError("the decimal has more than 1000 bytes")
        unscaled = int.from_bytes(target, signed=True)
        digits = str(abs(unscaled)).rjust(scale + 1, "0")
        sign = "-" if unscaled < 0 else ""
        return sign + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)

    return run
