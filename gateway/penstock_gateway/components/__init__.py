"""One module (or folder) per technology or verb; importing this package registers every component."""

from __future__ import annotations

import importlib

_MODULES = (
    "archive",
    "avro",
    "batch_surgery",
    "batched",
    "branch",
    "broker",
    "byte_scanners",
    "cache",
    "cache_output",
    "cached",
    "command",
    "compression",
    "csv_input",
    "csv_scanner",
    "dedupe",
    "drop",
    "drop_on",
    "fallback",
    "file_input",
    "file_output",
    "generate",
    "grok",
    "group_by",
    "grouping",
    "http_server",
    "inproc",
    "jmespath",
    "jq",
    "json_schema",
    "kafka",
    "local_rate_limit",
    "log",
    "mapping",
    "memory_buffer",
    "memory_cache",
    "metric",
    "msgpack",
    "noop",
    "parse_log",
    "rate_limit",
    "read_until",
    "reject",
    "reject_errored",
    "resource_processor",
    "resource_streams",
    "retry_output",
    "retry_processor",
    "sequence",
    "sleep",
    "split",
    "standard_streams",
    "subprocess",
    "switch_output",
    "switch_processor",
    "sync_response",
    "try_catch",
    "unarchive",
    "while_processor",
    "workflow",
    "xml",
)


def register() -> None:
    """Import every component module once; the registry is complete afterwards."""
    for name in _MODULES:
        importlib.import_module(f"{__name__}.{name}")
