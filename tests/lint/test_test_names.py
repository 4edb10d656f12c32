"""Tests are found by name: a file of tests begins with the name of the module or package that it is about."""

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
SOURCES = {
    "interface": "src/slipway_interface",
    "services": "services",
    "tasks": "tasks",
    **{
        folder: f"src/slipway/{folder}"
        for folder in ("adapters", "artifacts", "cli", "domain", "platforms", "specs", "stack", "usecases")
    },
}
"""Folders of tests, and the folders of code that they mirror."""
OTHERS = {
    "adapters/kubernetes/test_contracts.py": "the classes of tests/contract, with fixtures of this folder's adapters",
    "adapters/local/test_contracts.py": "the classes of tests/contract, with fixtures of this folder's adapters",
    "interface/test_imports.py": "every module of the interface: what it may import",
    "interface/test_literals.py": "every module of the interface: what no other source file may repeat",
}
"""Files about no single module, each with what it is about."""


def find_misnamed(tests: Path, root: Path) -> Iterator[str]:
    """Give the files of tests, relative to their folder, that don't begin with a module's or a package's name."""
    for folder, source in SOURCES.items():
        for file in sorted((tests / folder).rglob("test_*.py")):
            code = root / source / file.parent.relative_to(tests / folder)
            names = {code.name, *(found.stem for found in code.glob("*.py")), *_packages(code)}
            stem = file.stem.removeprefix("test_")
            if not any(stem == name or stem.startswith(f"{name}_") for name in names):
                yield file.relative_to(tests).as_posix()


def _packages(folder: Path) -> set[str]:
    return {found.parent.name for found in folder.glob("*/__init__.py")}


def test_every_file_of_tests_begins_with_the_name_of_what_it_tests() -> None:
    """Or it is about several modules: then it is in the list, with its reason."""
    assert sorted(find_misnamed(TESTS, ROOT)) == sorted(OTHERS)


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("domain/judge/test_decision.py", []),
        ("domain/judge/test_decision_alpha.py", []),
        ("domain/test_judge.py", []),
        ("domain/judge/test_deciding.py", ["domain/judge/test_deciding.py"]),
        ("domain/test_decision.py", ["domain/test_decision.py"]),
        ("domain/judging/test_decision.py", ["domain/judging/test_decision.py"]),
    ],
)
def test_a_file_with_another_name_or_in_another_folder_is_found(tmp_path: Path, file: str, found: list[str]) -> None:
    """The folder counts, too."""
    code = tmp_path / "src/slipway/domain/judge"
    code.mkdir(parents=True)
    (code / "__init__.py").touch()
    (code / "decision.py").touch()
    (tmp_path / "tests" / file).parent.mkdir(parents=True)
    (tmp_path / "tests" / file).touch()

    assert list(find_misnamed(tmp_path / "tests", tmp_path)) == found
