"""The reference pages of the resources: fresh, and every default is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock_operator import reference

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", reference.pages())
def test_the_pages_are_fresh(name: str) -> None:
    assert (FOLDER / name).read_text() == reference.pages()[name], "run `make generate`"


def test_a_default_is_said_with_who_fills_it_in() -> None:
    page = reference.page("StreamAPI")
    assert "| `listenPath` | text | `/` and the name |" in page
    assert "| `gateway` | object | `{'replicas': 1}` (API server) |" in page
    assert "| `limits.bodySize` | size | `1Mi` (gateway) |" in page
    assert "| `streams` | list of object | **required** |" in page


def test_rules_are_listed_where_they_hold() -> None:
    assert "- `streams[]` must have exactly one of `config`, `configMapRef`" in reference.page("StreamAPI")
