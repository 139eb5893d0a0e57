"""Durations, sizes and instants as resources write them (C-18, C-20, C-23, C-24)."""

from __future__ import annotations

import pytest

from penstock_operator import quantities


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("720h", 2_592_000), ("1s500ms", 1.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert quantities.seconds(text) == seconds


@pytest.mark.parametrize("text", ["0", "-1s", "1y", "1e9h", "5", "", "١s", "1.5s", "s", "1 s", "100000s", "1s\n"])
def test_what_is_no_duration_c18(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        quantities.seconds(text)


@pytest.mark.parametrize(
    ("value", "size"),
    [("64Mi", 64 << 20), ("1Gi", 1 << 30), ("1k", 1000), ("2G", 2 * 10**9), (1024, 1024), ("1024", 1024)],
)
def test_sizes(value: str | int, size: int) -> None:
    assert quantities.size(value) == size


@pytest.mark.parametrize("value", [0, "0", "-1Mi", "1.5Gi", "", "Mi", "1mi", True, "1e3", "٣Mi", "46545873246545873Gi"])
def test_what_is_no_size_c23(value: str | int) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        quantities.size(value)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:01:00Z", 60),
        ("1970-01-01T01:01:00+01:00", 60),
        ("1970-01-01T00:00:00.123456789Z", 0.123456),
        ("9999-12-31T23:59:59Z", 253402300799),
    ],
)
def test_instants(text: str, moment: float) -> None:
    assert quantities.instant(text) == pytest.approx(moment)


@pytest.mark.parametrize(
    "text",
    [
        "2027-01-31",
        "2027-01-31T00:00:00",
        "10000-01-01T00:00:00Z",
        "2027-02-30T00:00:00Z",
        "2027-01-31T23:59:60Z",
        "",
        "now",
    ],
)
def test_what_is_no_instant_c24(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        quantities.instant(text)


def test_an_instant_is_shown_in_utc() -> None:
    assert quantities.show_instant(60.9) == "1970-01-01T00:01:00Z"
