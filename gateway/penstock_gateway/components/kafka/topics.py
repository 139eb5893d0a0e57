"""Reads the `topics` of an input: `a,b` names whole topics, `t:0`, `t:0-3` partitions of one; pure."""

from __future__ import annotations

import re

_ITEM = re.compile(r"([A-Za-z0-9._-]{1,249})(?::(\d+)(?:-(\d+))?)?")
_MOST_PARTITIONS = 10_000


def parse_topics(items: list[str]) -> tuple[list[str], dict[str, list[int]]]:
    """Whole topics, and explicit partitions by topic. Raises ValueError; the two forms cannot be mixed (as in Bento)."""
    whole: list[str] = []
    explicit: dict[str, set[int]] = {}
    for text in (part.strip() for item in items for part in item.split(",")):
        if not text:
            continue
        if text.count(":") > 1:
            raise ValueError(f"{text!r}: explicit offsets are not supported by this input")
        found = _ITEM.fullmatch(text)
        if not found:
            raise ValueError(f"invalid topic {text!r}: write a name, name:partition or name:first-last")
        name, first, last = found[1], found[2], found[3]
        if first is None:
            if name not in whole:
                whole.append(name)
            continue
        begin, end = int(first), int(last or first)
        if end < begin or end - begin >= _MOST_PARTITIONS:
            raise ValueError(f"{text!r}: a range of partitions goes from the lower to the higher number")
        explicit.setdefault(name, set()).update(range(begin, end + 1))
    if not whole and not explicit:
        raise ValueError("must specify at least one topic in the topics field")
    if whole and explicit:
        raise ValueError(
            "it is not currently possible to include balanced and explicit partition topics in the same kafka input"
        )
    return whole, {name: sorted(numbers) for name, numbers in explicit.items()}
