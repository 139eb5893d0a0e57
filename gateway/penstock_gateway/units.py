"""Reads the two units of configurations: Go durations (`1h30m`, `100ms`) as seconds, and sizes (`64Mi`, `1MB`) as bytes."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+")
_SIZES = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
_SIZE = re.compile(r"(\d+)(|k|M|G|Ki|Mi|Gi)")


def parse_duration(text: str) -> float:
    """Seconds of a Go duration; raises ValueError with the text Go's parser users know."""
    if text in ("0", "+0", "-0"):
        return 0.0
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"invalid duration {text!r}: write a number with a unit, such as 500ms, 30s, 5m or 1h30m")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return -seconds if text.startswith("-") else seconds


def show_duration(seconds: float) -> str:
    """Seconds as the shortest Go duration, for messages and documents: 90 as `1m30s`."""
    if seconds and seconds < 1:
        return f"{seconds * 1000:g}ms"
    shown = ""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size:
            shown, seconds = f"{shown}{int(seconds // size)}{unit}", seconds % size
    return f"{shown}{seconds:g}s" if seconds or not shown else shown


def parse_size(text: str | int) -> int:
    """Bytes of a size as Kubernetes writes quantities (`64Mi`, `500k`, plain numbers); raises ValueError."""
    found = _SIZE.fullmatch(str(text))
    if not found:
        raise ValueError(f"invalid size {text!r}: write bytes or a number with Ki, Mi, Gi, k, M or G, such as 64Mi")
    return int(found[1]) * _SIZES[found[2]]


def _duration(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else _no_number(value)


def _no_number(value: Any) -> Any:
    if isinstance(value, float) and not isinstance(value, bool):  # a default, already seconds
        return value
    raise ValueError(f"invalid duration {value!r}: write it as text with a unit, such as 500ms, 30s or 5m")


Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema({"type": "string", "format": "go-duration"})]
"""A field written as a Go duration and held as seconds. Defaults are given as float seconds."""
