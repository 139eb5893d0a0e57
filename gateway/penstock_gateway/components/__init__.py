"""One module (or folder) per technology or verb; importing this package registers every component."""

from __future__ import annotations

import importlib

_MODULES = (
    "branch",
    "broker",
    "dedupe",
    "drop",
    "generate",
    "http_server",
    "kafka",
    "log",
    "mapping",
    "memory_cache",
    "split",
    "standard_streams",
    "switch_output",
    "switch_processor",
    "sync_response",
    "try_catch",
)


def register() -> None:
    """Import every component module once; the registry is complete afterwards."""
    for name in _MODULES:
        importlib.import_module(f"{__name__}.{name}")
