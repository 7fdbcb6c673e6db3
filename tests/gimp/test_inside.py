"""The tests in ``inside``, as many modules as can in one start of GIMP."""

from __future__ import annotations

import ast
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.gimp_root import REPOSITORY, Gimp

_INSIDE = Path(__file__).parent / "inside"
_FAULTY_ENGINE = Path(__file__).parent / "faulty_engine.py"
_SECONDS = 600
"""What a module may take."""

_reports: dict[str, dict[str, Any]] = {}


def _tests() -> list[tuple[str, str]]:
    """Every module in ``inside`` with each of its tests."""
    return [
        (path.stem, node.name)
        for path in sorted(_INSIDE.glob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def _environment(gimp: Gimp, module: str) -> dict[str, str]:
    """What makes the engine other than the installed one."""
    if module == "missing_engine":
        return {"NEURAL_STYLE_ENGINE_DIR": str(gimp.folder / "nowhere")}
    if module == "faulty_engine":
        return {"NEURAL_STYLE_ENGINE": f"python3 {_FAULTY_ENGINE} {gimp.folder / 'fault'}"}
    if module == "chinese":
        return {"LANGUAGE": "zh_CN"} | ({"LANG": "zh_CN.UTF-8"} if gimp.root else {})
    return {}


def _report(gimp: Gimp, module: str, wanted: Sequence[str] = ()) -> dict[str, Any]:
    """What became of a module's tests, and what was said meanwhile.

    The other modules that are wanted run in the same GIMP where they can. After one that ends GIMP another GIMP begins
    for those that are left.
    """
    if module not in _reports:
        environment = _environment(gimp, module)
        modules = [module, *(other for other in wanted if other != module and other not in _reports)]
        _run(gimp, [each for each in modules if _environment(gimp, each) == environment], environment)
    return _reports[module]


def _run(gimp: Gimp, modules: list[str], environment: dict[str, str]) -> None:
    report, said = gimp.folder / f"{modules[0]}.json", ""
    code = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
        f"from tests.gimp.inside import runner; runner.run({modules!r}, {str(report)!r})"
    )
    variables = {"NEURAL_STYLE_TESTS": str(gimp.folder)} | environment
    try:
        said = gimp.python(code, timeout=_SECONDS * len(modules), environment=variables).stdout
    except subprocess.TimeoutExpired as late:
        said = f"{(late.stdout or b'').decode(errors='replace')}\n{late}"
    found = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
    for module in {modules[0], *found}:
        _, begins, own = said.partition(_begins(module))
        for other in modules:
            own, _, _ = own.partition(_begins(other))
        _reports[module] = found.get(module, {}) | {"output": own if begins else said}


def _begins(module: str) -> str:
    """The line that the runner prints before a module; what GIMP says as it ends belongs to the last one."""
    return f"\n===== {module}\n"


@pytest.fixture(scope="module")
def wanted(request: pytest.FixtureRequest) -> list[str]:
    """The modules with tests that were asked for."""
    items = [
        item for item in request.session.items if isinstance(item, pytest.Function) and item.function is test_inside
    ]
    return list(dict.fromkeys(str(item.callspec.params["module"]) for item in items))


@pytest.mark.parametrize(("module", "name"), _tests())
def test_inside(gimp: Gimp, wanted: list[str], module: str, name: str) -> None:
    report = _report(gimp, module, wanted)
    assert name in report, f"GIMP ended before this test:\n{report['output']}"
    assert "left image undo in inconsistent state" not in report["output"]
    assert "stray image" not in report["output"]
    if failure := report[name]["failure"]:
        pytest.fail(f"{failure}\n{report['output'][-4000:]}", pytrace=False)
