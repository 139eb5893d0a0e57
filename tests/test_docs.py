"""The documentation tells the truth: its YAML is accepted, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from penstock_gateway import yamltext
from penstock_gateway.lint import lint_bare

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "reference" not in path.parts)]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    """Page and text of every block of a language."""
    found = []
    for page in PAGES:
        for number, (kind, text) in enumerate(BLOCK.findall(page.read_text())):
            if kind == language:
                found.append((f"{page.relative_to(ROOT)}#{number}", text))
    return found


@pytest.mark.parametrize(("place", "text"), blocks("yaml"), ids=[place for place, _ in blocks("yaml")])
def test_yaml_on_a_page_is_accepted(place: str, text: str, tmp_path: Path) -> None:
    if place.startswith("docs/decisions"):
        list(yamltext.load_all(text))
        return
    if "apiVersion" not in text:
        assert lint_bare(text, place, {}) == []
        return
    (tmp_path / "page.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "penstock_operator.main", "lint", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def commands() -> list[str]:
    lines = [line for _, text in blocks("sh") for line in text.splitlines() if line and not line.startswith("#")]
    return sorted(set(lines))


@pytest.mark.parametrize("line", commands())
def test_a_command_on_a_page_exists(line: str) -> None:
    words = line.split()
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    assert words[0] == "penstock", f"pages show make and penstock only: {line}"
    verbs = [word for word in words[1:3] if re.fullmatch(r"[a-z]+", word)]
    verbs = verbs if verbs[:1] == ["key"] else verbs[:1]
    done = subprocess.run(
        [sys.executable, "-m", "penstock_operator.main", *verbs, "--help"], capture_output=True, text=True, check=True
    )
    for option in re.findall(r"(?<= )--[a-z-]+", line):
        assert option in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)", page.read_text())
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []
