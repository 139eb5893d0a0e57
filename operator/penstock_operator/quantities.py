"""Reads durations, sizes and instants as resources write them, into seconds and bytes. Pure.

Durations follow GEP-2257 (`1h30m`, `500ms`), sizes are Kubernetes quantities (`64Mi`, `1G`, `1024`), instants RFC 3339.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

DURATION = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
NEVER = r"^(Never|([0-9]{1,5}(h|m|s|ms)){1,4})$"
SIZE = r"^[1-9][0-9]{0,12}(Ki|Mi|Gi|Ti|k|M|G|T)?$"
INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$"

_PART = re.compile(r"([0-9]{1,5})(h|ms|m|s)")
_SIZE = re.compile(r"([1-9][0-9]{0,12})(Ki|Mi|Gi|Ti|k|M|G|T)?", re.ASCII)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_FACTORS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def seconds(text: str) -> float:
    """A duration in seconds; ValueError says what a duration looks like."""
    if re.fullmatch(DURATION[1:-1], text, re.ASCII) is None:
        raise ValueError("must be a duration like '500ms', '30s', '5m' or '720h'")
    return round(sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text)), 3)


def size(value: str | int) -> int:
    """A size in bytes; ValueError says what a size looks like."""
    found = _SIZE.fullmatch(str(value)) if isinstance(value, str | int) else None
    if found is None or isinstance(value, bool):
        raise ValueError("must be a size like '64Ki', '1Mi' or '2G'")
    return int(found[1]) * _FACTORS.get(found[2] or "", 1)


def instant(text: str) -> float:
    """An RFC 3339 time with its zone, as Unix seconds; ValueError for a time that does not exist."""
    if re.fullmatch(INSTANT[1:-1], text, re.ASCII) is None:
        raise ValueError("must be an RFC 3339 time with zone like '2027-01-31T00:00:00Z'")
    shortened = re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text)
    try:
        return datetime.fromisoformat(shortened).timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueError("must be a time that exists") from error


def show_instant(moment: float) -> str:
    """Unix seconds as RFC 3339 in UTC, whole seconds."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
