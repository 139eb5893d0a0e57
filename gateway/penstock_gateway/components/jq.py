"""Processor `jq`: asks each document with a jq query."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

from pydantic import Field

from penstock_gateway.document import Value, decode, encode
from penstock_gateway.errors import ConfigError, NotSupported
from penstock_gateway.message import Batch, Message
from penstock_gateway.per_message import MessageFault, PerMessage, with_raw
from penstock_gateway.registry import Config, Context, Kind, Processor, component

MAX_RESULTS = 100_000
_METADATA = "$metadata"
_PREAMBLE = 'def env: {}; def modulemeta: error("modules are not available"); {} as $ENV | '
"""The query sees neither the process's environment nor its files; inside of brackets nothing can be included."""


@component("jq", Kind.PROCESSOR, summary="Asks each document with a jq query (extra `jq`).", shape="1:n")
class Jq(Config):
    """Fields as Bento's."""

    query: str = Field(
        description="The query; several results become an array, none drops the message. $metadata is known."
    )
    raw: bool = Field(False, description="Whether the body is a text, not JSON.")
    output_raw: bool = Field(False, description="Whether results are written as text, one behind the other.")

    def build(self, context: Context) -> Processor:
        """Compile the query."""
        query = _Query(self, context)
        return PerMessage(query.change, context)


class _Query:
    """A compiled query; a program that never ends is its author's to avoid, results are counted."""

    def __init__(self, config: Jq, context: Context) -> None:
        try:
            import jq
        except ImportError:
            text = "the processor jq needs the extra jq: pip install 'penstock[jq]'"
            raise NotSupported(text, context.path) from None
        self.config, self.metadata = config, _METADATA in config.query
        source = f".m as {_METADATA} | .d | (\n{config.query}\n)" if self.metadata else f"(\n{config.query}\n)"
        try:
            self.program: Any = jq.compile(_PREAMBLE + source)
        except ValueError as error:
            reason = str(error).splitlines()[0].removeprefix("jq: error: ")
            raise ConfigError(f"invalid jq query: {reason}", (*context.path, "jq", "query")) from None

    def change(self, batch: Batch, n: int) -> Batch:
        """The results as one message."""
        message = batch[n]
        value = message.raw.decode("utf-8", "replace") if self.config.raw else message.document
        asked = {"m": message.meta, "d": value} if self.metadata else value
        try:
            found = self.program.input_text(encode(asked).decode())
            results = list(itertools.islice(found, MAX_RESULTS + 1))
        except ValueError as error:
            raise MessageFault(_in_words(str(error), self.config.query, value)) from None
        if len(results) > MAX_RESULTS:
            raise MessageFault(f"the query gives more than {MAX_RESULTS} results")
        return self._message(message, results)

    def _message(self, message: Message, results: list[Any]) -> Batch:
        if self.config.output_raw:
            texts = [result if isinstance(result, str) else encode(_value(result)).decode() for result in results]
            return [with_raw(message, "".join(texts).encode())]
        if not results:
            return []
        changed = message.copy()
        changed.set_document(_value(results[0] if len(results) == 1 else results))
        return [changed]


def _value(result: Any) -> Value:
    return decode(json.dumps(result).encode())


_INDEX = re.compile(r'Cannot index (\w+) with (?:"|(\w+))')
_CALCULATED = re.compile(r"(.*) cannot be (add|subtract|multipli|divid)ed")
_APPLIED = (
    (re.compile(r"(.*) cannot be parsed as a number"), "tonumber"),
    (re.compile(r"(.*) has no keys"), "keys"),
    (re.compile(r"(.*) has no length"), "length"),
)
_VERBS = {"add": "add", "subtract": "subtract", "multipli": "multiply", "divid": "divide"}


def _in_words(text: str, query: str, value: Value) -> str:
    """Bento's words for jq's complaint."""
    index = _INDEX.match(text)
    if index:
        wanted = "array" if index[2] == "number" else "object"
        return f"expected an {wanted} but got: {_preview(index[1], query, value)}"
    if text.startswith("Cannot iterate over "):
        return f"cannot iterate over: {text.removeprefix('Cannot iterate over ')}"
    calculated = _CALCULATED.match(text)
    if calculated:
        return f"cannot {_VERBS[calculated[2]]}: {calculated[1]}"
    for pattern, function in _APPLIED:
        found = pattern.match(text)
        if found:
            return f"{function} cannot be applied to: {found[1]}"
    return f"error: {text}" if "error" in query else text


_STEP = re.compile(r'\s*\.?(?:([A-Za-z_]\w*)|"([^"\\]*)"|\[\s*(?:"([^"\\]*)"|(-?\d+))\s*\])')


def _preview(sort: str, query: str, value: Value) -> str:
    """The value that could not be indexed, where the query is a plain path; jq names its type only."""
    at = 0
    while at < len(query.rstrip()):
        step = _STEP.match(query, at)
        if step is None:
            return sort
        name = next((part for part in step.groups()[:3] if part is not None), None)
        if name is not None and isinstance(value, dict):
            value = value.get(name)
        elif name is None and isinstance(value, list) and -len(value) <= int(step[4]) < len(value):
            value = value[int(step[4])]
        elif value is not None:
            shown = encode(value).decode()
            return f"{sort} ({shown if len(shown) <= 30 else shown[:27] + '...'})"
        at = step.end()
    return sort
