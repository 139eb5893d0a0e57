"""The house rules a machine checks: sizes of files and functions, shelves without packages, words that do not belong here."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAX_FILE, MAX_FUNCTION = 500, 60


def tracked() -> list[Path]:
    """Every file of the repository as git sees it (new ones included)."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


SOURCES = [path for path in tracked() if path.suffix in (".py", ".ts", ".tsx")]
PYTHON = [path for path in SOURCES if path.suffix == ".py"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_file_fits_the_budget(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_a_function_fits_the_budget_and_a_module_says_what_it_does(path: Path) -> None:
    tree = ast.parse(path.read_text())
    long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION
    ]
    assert long == []
    assert ast.get_docstring(tree), "a module docstring says what the module decides or does"


@pytest.mark.parametrize("path", [path for path in PYTHON if "tests" not in path.parts], ids=name)
def test_unexpected_errors_are_caught_only_where_a_loop_must_survive(path: Path) -> None:
    """`except Exception` needs a comment on its line that says which loop must survive."""
    bare = [
        f"line {number}: {line.strip()}"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"except\s*(\(?(Base)?Exception\b.*)?:", line) and "#" not in line
    ]
    assert bare == []


def test_shelves_are_not_packages() -> None:
    """A package called `operator` would hide the standard library's."""
    for shelf in ("operator", "gateway"):
        assert not (ROOT / shelf / "__init__.py").exists()
    assert [name(path) for path in PYTHON if path.name == "__init__.py" and "tests" in path.parts] == []


def test_no_module_is_named_for_nothing() -> None:
    nothing = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
    assert [name(path) for path in PYTHON if path.stem in nothing] == []


def test_the_lock_file_names_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--find-links" not in lock
    assert "--index-url" not in lock


def test_the_project_speaks_of_itself_alone() -> None:
    """No absolute path of somebody's machine in anything that is shipped or read."""
    forbidden = re.compile(r"/work/|/root/|/home/[a-z]+/|/tmp/team")
    found = [
        f"{name(path)}:{number}"
        for path in tracked()
        if path.suffix in (".py", ".md", ".yaml", ".toml", ".lock", "") and path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []
