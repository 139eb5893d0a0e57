"""Unit tests of configurations: what passes, and what a failure says."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock_gateway import unittests, yamltext
from penstock_gateway.errors import ConfigError

SUBJECT = """
input: {generate: {mapping: 'root = 1'}}
pipeline:
  processors:
  - label: shout
    mapping: 'root = content().uppercase()'
  - mapping: 'root = content().string() + env("END").or("!")'
output: {drop: {}}
cache_resources: [{label: seen, memory: {}}]
processor_resources: [{label: twice, mapping: 'root = content().string() + content().string()'}]
"""


async def run(tmp_path: Path, test: str) -> list[unittests.Outcome]:
    file = tmp_path / "c.yaml"
    file.write_text(SUBJECT + "tests:\n" + test)
    return [
        await unittests.run_case(case, line, file, file)
        for case, line in unittests.read_cases(yamltext.load(file.read_text()))
    ]


PASSING = {
    "content": "- {input_batch: [{content: abc}], output_batches: [[{content_equals: 'ABC!'}]]}",
    "pattern": "- {input_batch: [{content: abc}], output_batches: [[{content_matches: '^A.C'}]]}",
    "mapping": "- {input_batch: [{content: abc}], output_batches: [[{bloblang: 'content().string() == \"ABC!\"'}]]}",
    "environment": "- {environment: {END: '?'}, input_batch: [{content: abc}], output_batches: [[{content_equals: 'ABC?'}]]}",
    "label": "- {target_processors: shout, input_batch: [{content: abc}], output_batches: [[{content_equals: ABC}]]}",
    "pointer": "- {target_processors: /pipeline/processors/1, input_batch: [{content: abc}],"
    " output_batches: [[{content_equals: 'abc!'}]]}",
    "mock by label": "- {mocks: {shout: {mapping: 'root = \"x\"'}}, input_batch: [{content: a}],"
    " output_batches: [[{content_equals: 'x!'}]]}",
    "mock appended": "- {mocks: {/pipeline/processors/-: {mapping: 'root = deleted()'}}, input_batch: [{content: a}]}",
    "a resource": "- {target_processors: /processor_resources/0, input_batch: [{content: a}],"
    " output_batches: [[{content_equals: aa}]]}",
    "caches in mappings": '- {mocks: {shout: {mapping: \'root = [cache_set("seen", "k", "v"), cache_get("seen", "k").string()]\'}},'
    " target_processors: shout, input_batch: [{content: a}], output_batches: [[{json_equals: [null, v]}]]}",
    "metadata": "- {input_batch: [{content: a, metadata: {k: v}}], output_batches: [[{metadata_equals: {k: v}}]]}",
    "json": '- {target_processors: /pipeline, mocks: {/pipeline: {mapping: \'root = {"a": 1.0, "b": [2]}\'}},'
    " input_batch: [{content: x}], output_batches: [[{json_equals: {a: 1, b: [2]}, json_contains: {a: 1}}]]}",
}


@pytest.mark.parametrize("test", PASSING.values(), ids=PASSING)
async def test_passes(test: str, tmp_path: Path) -> None:
    (outcome,) = await run(tmp_path, test)
    assert outcome.failures == []


FAILING = {
    "- {input_batch: [{content: a}], output_batches: [[{content_equals: B}]]}": "batch 0 message 0: content_equals: content mismatch\n"
    "  expected: B\n  received: A!",
    "- {input_batch: [{content: a}], output_batches: []}": "wrong batch count, expected 0, got 1",
    "- {input_batch: [{content: a}], output_batches: [[{}, {}]]}": "mismatch of output batch 0 message counts, expected 2, got 1",
    "- {target_processors: /nope, input_batch: [{content: a}]}": "failed to run: target '/nope' was not found: there is no nope",
    "- {target_processors: nope, input_batch: [{content: a}]}": "failed to run: target 'nope' was not found: no processor has this label",
    "- {input_batch: [{content: a}], output_batches: [[{metadata_equals: {k: v}}]]}": "batch 0 message 0: metadata_equals: metadata key"
    " 'k' mismatch\n  expected: v\n  received: nothing",
}


@pytest.mark.parametrize("test", FAILING, ids=FAILING.values())
async def test_says_what_differs(test: str, tmp_path: Path) -> None:
    (outcome,) = await run(tmp_path, test)
    assert outcome.failures == [FAILING[test]]
    assert outcome.line == 12


async def test_a_marked_message_does_not_fail_a_test_but_is_shown(tmp_path: Path) -> None:
    mock = "{mocks: {shout: {mapping: 'root = throw(\"no\")'}}, input_batch: [{content: a}], output_batches: [[{content_equals: %s}]]}"
    (good,) = await run(tmp_path, "- " + mock % "'a!'")
    assert good.failures == []
    (bad,) = await run(tmp_path, "- " + mock % "b")
    assert bad.failures[1] == "batch 0 message 0: the message is marked as failed: failed assignment (line 1): no"


def test_a_misspelt_condition_is_placed() -> None:
    text = "tests:\n- input_batch: []\n  output_batches: [[{content_equal: x}]]\n"
    with pytest.raises(ConfigError) as caught:
        unittests.read_cases(yamltext.load(text, "c.yaml"))
    (problem,) = caught.value.problems
    assert (problem.line, problem.rule) == (3, "unknown-field")
