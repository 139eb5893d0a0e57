"""The command line at its edge: words in, text and exit code out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest
import yaml

from penstock_operator import keys
from penstock_operator.cli import app

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "config" / "samples"


@dataclass
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def penstock(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Runs the command line in this process, standing in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str | Path) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app.app([str(word) for word in words])
        said = capsys.readouterr()
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, said.out, said.err)

    return run


Penstock = Callable[..., Result]


def test_the_samples_are_clean(penstock: Penstock) -> None:
    result = penstock("lint", SAMPLES)
    assert (result.code, result.out) == (0, "")


def test_lint_prints_file_line_column_rule_and_message(penstock: Penstock, tmp_path: Path) -> None:
    text = (SAMPLES / "orders.yaml").read_text().replace("stream_format: event_source", "stream_form: event_source")
    (tmp_path / "orders.yaml").write_text(text.replace("connections: 5000", "connections: 0"))
    result = penstock("lint", "orders.yaml")
    assert result.code == 1
    lines = [re.fullmatch(r"orders\.yaml:(\d+):(\d+) (\S+) (.+)", line) for line in result.out.splitlines()]
    assert all(lines)
    assert "spec.limits.connections: must be at least 1" in result.out


def test_lint_finds_every_mistake_of_the_streams_when_the_rest_is_right(penstock: Penstock, tmp_path: Path) -> None:
    text = (SAMPLES / "orders.yaml").read_text()
    (tmp_path / "orders.yaml").write_text(
        text.replace("stream_format:", "stream_form:").replace('without("card")', "without(")
    )
    result = penstock("lint", "orders.yaml", "-o", "json")
    assert result.code == 1
    found = json.loads(result.out)
    assert {item["rule"] for item in found} >= {"unknown-field"}
    assert all(item["line"] > 40 and item["file"] == "orders.yaml" for item in found)


def test_lint_reads_bare_configurations(penstock: Penstock, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("input: {stdin: {}}\noutput: {stdout: {}}\n")
    assert penstock("lint", "good.yaml").code == 0
    (tmp_path / "bad.yaml").write_text("input: {stdin: {}}\noutput: {stdot: {}}\n")
    result = penstock("lint", "bad.yaml")
    assert result.code == 1
    assert result.out.startswith("bad.yaml:2:")


@pytest.mark.parametrize(
    "words",
    [
        ["lint", "nowhere"],
        ["frobnicate"],
        ["lint"],
        ["render", "nowhere"],
        ["schema", "Pod"],
        ["key", "create", "x"],
        ["tail", "x"],
    ],
)
def test_a_command_that_is_written_wrongly_ends_with_2(penstock: Penstock, words: list[str]) -> None:
    result = penstock(*words)
    assert result.code == 2
    assert result.out == ""
    assert result.err


@pytest.mark.parametrize("verb", ["tail", "send"])
def test_what_cannot_be_reached_ends_with_3(penstock: Penstock, verb: str, tmp_path: Path) -> None:
    (tmp_path / "message").write_text("{}")
    more = ["message"] if verb == "send" else []
    result = penstock(verb, "http://127.0.0.1:1/x", *more)
    assert result.code == 3
    assert "cannot be reached" in result.err


def test_render_prints_the_documents(penstock: Penstock, tmp_path: Path) -> None:
    result = penstock("render", SAMPLES, "-o", "json")
    assert result.code == 0
    printed = json.loads(result.out)
    assert set(printed["documents"]) == {
        "access/default.orders-source.json",
        "access/default.orders.json",
        "keys/default.orders-0.json",
        "keys/default.orders-source-0.json",
        "pipeline.json",
    }
    assert printed["generate"] == ["default/mobile-key", "default/partner-key"]
    assert len(printed["documents"]["pipeline.json"]["apis"]) == 2
    assert list(tmp_path.iterdir()) == []


def test_render_prints_yaml_for_people(penstock: Penstock) -> None:
    documents = list(yaml.safe_load_all(penstock("render", SAMPLES).out))
    assert [document["version"] for document in documents if document] == [1, 1, 1, 1, 1]


def test_a_key_is_shown_with_what_may_be_stored(penstock: Penstock) -> None:
    made = json.loads(penstock("key", "create", "-o", "json").out)
    assert keys.is_well_formed(made["key"])
    assert made["hash"] == keys.hash_of(made["key"])
    assert json.loads(penstock("key", "create", "-o", "json").out)["key"] != made["key"]


def test_a_key_with_a_name_is_a_manifest_without_the_key(penstock: Penstock) -> None:
    result = penstock("key", "create", "mobile", "--policy", "shop/gold", "-n", "app")
    text = result.err.splitlines()[0]
    assert keys.is_well_formed(text)
    assert text not in result.out
    document = yaml.safe_load(result.out)
    assert document["metadata"] == {"name": "mobile", "namespace": "app"}
    assert document["spec"] == {"policyRefs": [{"name": "gold", "namespace": "shop"}], "hashes": [keys.hash_of(text)]}


def test_the_crds_are_printed_as_they_are_stored(penstock: Penstock) -> None:
    printed = [document for document in yaml.safe_load_all(penstock("crd").out) if document]
    stored = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]
    assert sorted(it["metadata"]["name"] for it in printed) == sorted(it["metadata"]["name"] for it in stored)


def test_the_schema_accepts_the_samples_and_refuses_mistakes(penstock: Penstock) -> None:
    schema = json.loads(penstock("schema").out)
    checker = jsonschema.Draft202012Validator(schema)
    documents = [it for path in sorted(SAMPLES.glob("*.yaml")) for it in yaml.safe_load_all(path.read_text())]
    for document in documents:
        assert [error.message for error in checker.iter_errors(document)] == []
    documents[0]["spec"]["strems"] = []
    assert [error.message for error in checker.iter_errors(documents[0])]


def test_help_is_quick_and_has_examples(penstock: Penstock) -> None:
    loaded = "import sys; from penstock_operator.cli import app; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert not {"aiohttp", "aiokafka", "pydantic", "rich", "yaml", "watchfiles"} & set(modules)
    for verb in ("dev", "run", "lint", "render", "tail", "send", "schema", "crd"):
        assert "Example" in penstock(verb, "--help").out
