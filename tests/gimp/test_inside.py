"""The tests in ``inside``, each module in one start of GIMP."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from tests.gimp_root import REPOSITORY, Gimp

_INSIDE = Path(__file__).parent / "inside"
_FAULTY_ENGINE = Path(__file__).parent / "faulty_engine.py"
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


def _report(gimp: Gimp, module: str) -> dict[str, Any]:
    if module not in _reports:
        report = gimp.folder / f"{module}.json"
        code = (
            f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
            f"from tests.gimp.inside import runner; runner.run({module!r}, {str(report)!r})"
        )
        done = gimp.python(code, environment={"NEURAL_STYLE_TESTS": str(gimp.folder)} | _environment(gimp, module))
        _reports[module] = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
        _reports[module]["output"] = done.stdout + done.stderr
    return _reports[module]


@pytest.mark.parametrize(("module", "name"), _tests())
def test_inside(gimp: Gimp, module: str, name: str) -> None:
    report = _report(gimp, module)
    assert name in report, f"GIMP ended before this test:\n{report['output']}"
    assert "left image undo in inconsistent state" not in report["output"]
    assert "stray image" not in report["output"]
    if failure := report[name]["failure"]:
        pytest.fail(f"{failure}\n{report['output'][-4000:]}", pytrace=False)
