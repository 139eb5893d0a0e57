"""Bad configurations: every problem is found, named and placed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_gateway import variables, yamltext
from penstock_gateway.errors import ConfigError
from penstock_gateway.lint import lint_bare, lint_stream

CASES = yaml.safe_load((Path(__file__).parent.parent / "cases" / "config" / "problems.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_problems_are_named_and_placed(case: dict[str, Any]) -> None:
    document = yamltext.load(case["given"], "s.yaml")
    found = [document.place(problem) for problem in (*document.problems, *lint_stream(document.data, ()))]
    shown = [f"{problem.line}:{problem.column} {problem.rule} {problem}" for problem in found]
    assert len(shown) == len(case["then"]), shown
    for got, wanted in zip(shown, case["then"], strict=True):
        assert got.startswith(wanted)


@pytest.mark.parametrize(
    ("text", "line"), [("a: [1", 2), ("a: b: c", 1), ("\tx: 1", 1), ("a: &x [*x]", 1), ("- a\nb: 1", 2)]
)
def test_text_that_is_not_yaml_says_where(text: str, line: int) -> None:
    with pytest.raises(ConfigError) as caught:
        yamltext.load(text, "s.yaml")
    assert caught.value.problems[0].rule == "yaml"
    assert caught.value.problems[0].line in (line, line - 1)


def test_aliases_cannot_blow_a_text_up() -> None:
    """C-46."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="too large"):
        yamltext.load("\n".join(lines))


def test_scalars_follow_yaml_1_2() -> None:
    """C-36, C-37: what looks like a word stays a word."""
    words = yamltext.load("{a: y, b: no, c: 0x10, d: '1_000', on: 1, null: 2, 1e5: 3}")
    assert words.data == {"a": "y", "b": "no", "c": 16, "d": "1_000", "on": 1, "null": 2, "1e5": 3}
    document = yamltext.load("[yes, on, 2024-01-01, 1.50, 0x10, 'true', true, ~, 1e3, 010]")
    assert document.data == ["yes", "on", "2024-01-01", 1.5, 16, "true", True, None, 1000.0, 8]


def test_variables_of_a_bare_configuration() -> None:
    text = "a: ${A} b: ${B:two} c: ${C:${A}} d: ${{A}} e: ${! this.x } f: ${NOPE}"
    filled, missing = variables.replace_in_text(text, {"A": "one", "B": ""})
    assert filled == "a: one b: two c: one d: ${A} e: ${! this.x } f: ${NOPE}"
    assert missing == ["NOPE"]


def test_a_missing_variable_of_a_bare_configuration_is_reported() -> None:
    problems = lint_bare("input: {generate: {mapping: 'root = 1'}}\noutput: {drop: {}}\n# ${GONE}\n", "c.yaml", {})
    assert [problem.text for problem in problems] == ["required environment variables were not set: [GONE]"]


def test_variables_are_filled_into_values_never_into_structure() -> None:
    data, problems = variables.replace_in_values({"topics": ["${T}"], "x": "${MISSING}"}, {"T": "a: [1]\n- b"}.get)
    assert data["topics"] == ["a: [1]\n- b"]
    assert [str(problem) for problem in problems] == [
        "x: variable MISSING is not defined: add it to spec.variables or give a default"
    ]


def _stream(processors: list[Any]) -> dict[str, Any]:
    return {
        "input": {"generate": {"mapping": "root = 1"}},
        "pipeline": {"processors": processors},
        "output": {"drop": {}},
    }


def test_ten_thousand_processors_are_refused_with_one_sentence() -> None:
    """C-05."""
    problems = lint_stream(_stream([{"split": {}}] * 10_000), ())
    assert [str(problem) for problem in problems] == [
        "pipeline.processors[999]: the configuration has more than 1000 components"
    ]


def test_two_hundred_levels_of_nesting_are_refused() -> None:
    """C-06: no crash, however the levels are made."""
    inner: dict[str, Any] = {"split": {}}
    for _ in range(200):
        inner = {"switch": [{"processors": [{"try": [inner]}]}]}
    problems = lint_stream(_stream([inner]), ())
    assert len(problems) == 1
    assert "nested deeper than 50 levels" in str(problems[0])
