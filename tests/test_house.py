"""The rules that keep the project a house: who may import whom, what is said twice says the same, tidy code."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from plugin.install import doctor
from plugin.shared import settings
from tests.gimp_root import REPOSITORY

PLUGIN = REPOSITORY / "plugin"
SHARED = sorted((PLUGIN / "shared").rglob("*.py"))
BARE = [REPOSITORY / "install.py", *sorted(PLUGIN.glob("*.py")), *SHARED, *sorted((PLUGIN / "install").rglob("*.py"))]
IN_GIMP = [REPOSITORY / "gimp_entry.py", *sorted((PLUGIN / "gimp").rglob("*.py"))]
EVERYWHERE = sorted(PLUGIN.rglob("*.py"))
IN_ENGINE = sorted((PLUGIN / "engine").rglob("*.py"))


def imports(file: Path) -> Iterator[str]:
    """The full name of everything that a file imports, wherever in it."""
    package = file.relative_to(REPOSITORY).with_suffix("").parts
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: -node.level]) if node.level else []
            yield from (".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names)


def name(file: Path) -> str:
    return file.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("file", BARE, ids=name)
def test_what_runs_in_any_python_imports_the_standard_library_alone(file: Path) -> None:
    foreign = {module.partition(".")[0] for module in imports(file)} - sys.stdlib_module_names
    assert foreign <= {"plugin"}


@pytest.mark.parametrize("file", IN_GIMP, ids=name)
def test_what_runs_in_gimp_imports_the_standard_library_and_gi_alone(file: Path) -> None:
    foreign = {module.partition(".")[0] for module in imports(file)} - sys.stdlib_module_names
    assert foreign <= {"plugin", "gi"}


@pytest.mark.parametrize("file", IN_GIMP, ids=name)
def test_gimps_side_does_not_know_the_engine(file: Path) -> None:
    assert not [module for module in imports(file) if module.startswith("plugin.engine")]


@pytest.mark.parametrize("file", IN_ENGINE, ids=name)
def test_the_engine_does_not_know_gimp(file: Path) -> None:
    assert not [module for module in imports(file) if module.startswith("plugin.gimp") or module.split(".")[0] == "gi"]


@pytest.mark.parametrize("file", BARE, ids=name)
def test_the_floor_does_not_know_what_stands_on_it(file: Path) -> None:
    """Only the command line reaches into the engine, once it runs in the engine's environment."""
    if file.name != "__main__.py":
        assert not [module for module in imports(file) if module.startswith(("plugin.engine", "plugin.gimp"))]


def test_no_modules_import_each_other_in_a_circle() -> None:
    files = {name(file).removesuffix(".py").removesuffix("/__init__").replace("/", "."): file for file in EVERYWHERE}
    assert len(files) > 70
    within = {
        module: {other if other in files else other.rpartition(".")[0] for other in imports(file)} & files.keys()
        for module, file in files.items()
    }
    TopologicalSorter(within).prepare()


def test_no_thread_can_end_without_a_word() -> None:
    assert [name(file) for file in EVERYWHERE if "threading.Thread(" in file.read_text(encoding="utf-8")] == [
        "plugin/shared/threads.py"
    ]


def test_an_old_python_can_read_install_py_far_enough_to_say_that_it_is_too_old() -> None:
    source = (REPOSITORY / "install.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 4))
    assert source.isascii()
    assert source.index("version_info") < source.index("from plugin")


def test_the_map_of_the_house_names_every_file_there_is_and_no_other() -> None:
    map_of = (PLUGIN / "README.md").read_text(encoding="utf-8")
    named = set()
    for section in map_of.split("\n## ")[1:]:
        folder, _, rest = section.partition("\n")
        named |= {f"{folder}/{file}" for file in re.findall(r"^\| `(\w+\.py)` \|", rest, re.MULTILINE)}
    there = {name(file) for file in PLUGIN.rglob("*.py") if file.name != "__init__.py"}
    assert len(there) > 60
    assert named == there


def test_the_readme_has_the_table_of_settings() -> None:
    assert settings.markdown() in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_weights_are_the_published_ones_and_credited() -> None:
    assert hashlib.sha256(doctor.WEIGHTS.read_bytes()).hexdigest() == doctor.WEIGHTS_SHA256
    credit = (doctor.WEIGHTS.parent / "README.md").read_text(encoding="utf-8")
    assert doctor.WEIGHTS_SHA256 in credit
    assert "Creative Commons Attribution" in credit
    assert doctor.WEIGHTS_SHA256 in (PLUGIN / "engine" / "transfer" / "vgg.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "picture", sorted([*PLUGIN.glob("data/styles/*.jpg"), *PLUGIN.glob("data/samples/*.jpg")]), ids=name
)
def test_every_picture_is_credited_beside_it(picture: Path) -> None:
    assert f"`{picture.name}`" in (picture.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]],
    ids=["lint", "format", "types"],
)
def test_the_code_is_tidy(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
