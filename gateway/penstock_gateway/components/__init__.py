"""One module (or folder) per technology or verb; importing this package registers every component."""

from __future__ import annotations

import importlib

_MODULES = (
    "batch_surgery",
    "branch",
    "broker",
    "dedupe",
    "drop",
    "drop_on",
    "fallback",
    "generate",
    "group_by",
    "grouping",
    "http_server",
    "kafka",
    "log",
    "mapping",
    "memory_cache",
    "noop",
    "reject",
    "reject_errored",
    "retry_output",
    "retry_processor",
    "sleep",
    "split",
    "standard_streams",
    "switch_output",
    "switch_processor",
    "sync_response",
    "try_catch",
    "while_processor",
)


def register() -> None:
    """Import every component module once; the registry is complete afterwards."""
    for name in _MODULES:
        importlib.import_module(f"{__name__}.{name}")
