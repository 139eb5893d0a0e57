"""Runs one case of Bento's mapping cases: `evaluate(case)` returns what the case checker compares."""

from __future__ import annotations

import os
import posixpath
import socket
import tempfile
import time
from typing import Any

from penstock_gateway.document import (
    DELETED,
    NOTHING,
    DocumentError,
    Float32,
    Number,
    Sentinel,
    Timestamp,
    decode_exact,
)
from penstock_gateway.language import (
    Environment,
    EvaluationError,
    ParseError,
    compile_interpolation,
    compile_mapping,
    compile_query,
)
from penstock_gateway.language.values import to_string
from penstock_gateway.message import Failure, Message

Case = dict[str, Any]
_WIDTHS = {"Int8": "int8", "Int16": "int16", "Int32": "int32", "Uint8": "uint8", "Uint16": "uint16", "Uint32": "uint32",
           "Uint64": "uint64"}  # fmt: skip


def shown(value: Any) -> Any:
    """A value as the checker wants it: what plain JSON cannot hold is tagged."""
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, Number):
        return {"_type": "json.Number", "value": value.text}
    if isinstance(value, Timestamp):
        return {"_type": "timestamp", "value": value.rfc3339()}
    if isinstance(value, Float32):
        return {"_type": "float32", "value": repr(float(value))}
    if type(value).__name__ in _WIDTHS:
        return {"_type": _WIDTHS[type(value).__name__], "value": str(int(value))}
    if isinstance(value, Sentinel):
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value


class Files:
    """The files of a case and, for absolute paths, of this machine."""

    def __init__(self, files: dict[str, str], variables: dict[str, str]) -> None:
        self.files = files
        self.variables = variables

    def text(self, path: str) -> str:
        name = posixpath.normpath(path)
        if name in self.files:
            return self.files[name]
        raise KeyError(path)

    def raw(self, path: str) -> bytes:
        name = posixpath.normpath(path)
        if name in self.files:
            return self.files[name].encode()
        with open(path, "rb") as file:
            return file.read()


def _environment(case: Case) -> Environment:
    variables = dict(os.environ)
    for name, text in (case.get("tmpfiles") or {}).items():
        with tempfile.NamedTemporaryFile("w", delete=False, suffix=".txt") as file:
            file.write(text)
        variables[name] = file.name
    files = Files(case.get("files") or {}, variables)
    return Environment(
        clock=time.time_ns,
        random=os.urandom,
        variables=variables,
        files=files.raw,
        imports=files.text,
        hostname=socket.gethostname(),
    )


def _message(raw: str, meta: dict[str, Any] | None, err: str | None) -> Message:
    message = Message(raw.encode("utf-8", "surrogateescape"), dict(meta or {}))
    if err:
        message.failure = Failure(err)
    return message


def _batch(case: Case) -> tuple[list[Message], int]:
    if "batch" in case:
        return [_message(item["raw"], item.get("meta"), item.get("err")) for item in case["batch"]], case.get(
            "index", 0
        )
    if "input_raw" in case:
        return [_message(case["input_raw"], case.get("meta"), None)], 0
    return [], 0


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _on_message(case: Case, environment: Environment) -> dict[str, Any]:
    mapping = compile_mapping(case["mapping"], environment=environment)
    batch, index = _batch(case)
    result = mapping.apply(batch or [_message("", case.get("meta"), None)], index)
    if result is None:
        return {"kind": "deleted"}
    return {"kind": "message", "content": _text(result.raw), "meta": shown(result.meta)}


def _on_value(case: Case, environment: Environment) -> dict[str, Any]:
    mapping = compile_mapping(case["mapping"], environment=environment)
    value = case.get("input")
    if "input_raw" in case:
        value = decode_exact(case["input_raw"].encode())
    meta = dict(case.get("meta") or {})
    root = mapping.evaluate(value, [Message(meta=meta.copy(), document=value)], 0, meta)
    if root is DELETED:
        return {"kind": "deleted"}
    return {"kind": "value", "value": shown(value if root is NOTHING else root), "meta": shown(meta)}


def _on_query(case: Case, environment: Environment) -> dict[str, Any]:
    query = compile_query(case["mapping"], environment=environment, whole=False)
    batch, index = _batch(case)
    if "input" in case:
        value = query.evaluate(batch, index, case["input"])
    else:
        value = query.evaluate(batch, index)
    if case["expect"]["kind"] == "string":
        return {"kind": "string", "string": shown(to_string(value))}
    return {"kind": "value", "value": shown(value)}


def _on_sequence(case: Case, environment: Environment) -> dict[str, Any]:
    mapping = compile_mapping(case["mapping"], environment=environment)
    results: list[dict[str, str]] = []
    for step in case["sequence"]:
        try:
            result = mapping.apply([_message(step["input_raw"], None, None)], 0)
            results.append({"content": "" if result is None else _text(result.raw)})
        except EvaluationError as error:
            results.append({"error": error.text})
    return {"kind": "sequence", "results": results}


def evaluate(case: Case) -> dict[str, Any]:
    """The outcome of one case."""
    environment = _environment(case)
    try:
        if "sequence" in case:
            return _on_sequence(case, environment)
        if case["mode"] == "message":
            return _on_message(case, environment)
        if case["mode"] == "value":
            return _on_value(case, environment)
        if case["mode"] == "query":
            return _on_query(case, environment)
        text = compile_interpolation(case["mapping"], environment=environment).evaluate(*_batch(case))
        return {"kind": "string", "string": shown(text)}
    except ParseError as error:
        return {"kind": "compile_error", "error": error.text, "line": error.line, "column": error.column}
    except EvaluationError as error:
        return {"kind": "error", "error": shown(error.text)}
    except DocumentError as error:
        return {"kind": "error", "error": error.text}
