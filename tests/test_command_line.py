"""``python3 -m plugin`` and ``install.py`` in any interpreter, on any terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plugin import __main__ as command_line
from plugin.shared import paths

BARE = getattr(sys, "_base_executable", sys.executable)
"""An interpreter without packages."""


def run(
    *command: str | Path, cwd: Path = paths.PLUG_IN_ROOT, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it, and end all that it has started if it does not end by itself."""
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=cwd,
        env=dict(os.environ) | (variables or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        output, error = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return subprocess.CompletedProcess(command, process.returncode, output, error)


def test_a_torch_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    """The engine paints wherever it is installed, whatever else this Python has."""
    if not paths.python_of(paths.engine_folder()).is_file():
        pytest.skip("the tests' own environment is the engine")
    own = tmp_path / "own"
    for name in ("torch", "torchvision", "numpy", "PIL", "pyvips"):
        (own / name).mkdir(parents=True)
        (own / name / "__init__.py").write_text("raise ImportError('not the engine’s')", encoding="utf-8")
    pictures = ["nowhere.png", "style.png", "-o", "out.png"]
    variables = {"PYTHONPATH": os.pathsep.join([str(own), str(paths.PLUG_IN_ROOT)])}
    done = run(BARE, "-m", "plugin", "stylize", *pictures, cwd=tmp_path, variables=variables)
    assert done.returncode == 1
    assert done.stderr.strip() == ("“nowhere.png” cannot be read (No such file or directory); choose another picture.")


@pytest.mark.parametrize("of_the_engine", [True, False], ids=["the engine's Python", "another Python"])
@pytest.mark.parametrize("knows_itself", [True, False], ids=["environment", "does not know its folder"])
def test_an_engine_that_lost_its_packages_says_how_to_repair_it(
    tmp_path: Path, of_the_engine: bool, knows_itself: bool
) -> None:
    engine = tmp_path / "engine"
    python = paths.python_of(engine)
    if knows_itself:
        subprocess.run([BARE, "-m", "venv", "--without-pip", engine], check=True)
    else:
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec "{BARE}" -S "$@"\n', encoding="utf-8")
        python.chmod(0o755)
    interpreter = [python] if of_the_engine else [BARE, "-S"]
    variables = {"NEURAL_STYLE_ENGINE_DIR": "engine", "PYTHONPATH": str(paths.PLUG_IN_ROOT)}
    for command in (["serve"], ["stylize", "content.png", "style.png", "-o", "out.png"]):
        done = run(*interpreter, "-m", "plugin", *command, cwd=tmp_path, variables=variables)
        assert done.returncode == 1
        (sentence,) = done.stderr.strip().splitlines()
        assert sentence == (
            f"The Neural Style engine in {engine} is damaged (torch, torchvision, numpy, PIL, pyvips missing); run "
            "“python3 install.py” in the folder of Neural Style to repair it."
        )


def test_an_engine_whose_torch_cannot_be_loaded_says_how_to_repair_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(*_: object) -> int:
        raise ModuleNotFoundError("No module named 'sympy'")

    paths.python_of(tmp_path).parent.mkdir()
    paths.python_of(tmp_path).touch()
    monkeypatch.setenv("NEURAL_STYLE_ENGINE_DIR", str(tmp_path))
    monkeypatch.setattr(command_line, "_run", load)
    assert command_line.here(["serve"]) == 1
    assert "is damaged (No module named 'sympy'); run “python3 install.py”" in capsys.readouterr().err


def test_the_engine_folder_does_not_hang_on_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURAL_STYLE_ENGINE_DIR", "engine")
    monkeypatch.chdir(tmp_path)
    assert paths.engine_folder() == tmp_path / "engine"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize(
    "command",
    [
        ["-m", "plugin", "stylize", "--help"],
        ["-m", "plugin", "sweep", "--help"],
        ["-m", "plugin", "doctor"],
        ["install.py", "--help"],
        ["install.py", "--doctor"],
    ],
    ids=" ".join,
)
def test_every_terminal_can_show_what_is_said(tmp_path: Path, encoding: str, command: list[str]) -> None:
    nothing = {"PATH": "/nonexistent", "HOME": str(tmp_path), "NEURAL_STYLE_ENGINE_DIR": str(tmp_path / "engine")}
    done = run(BARE, *command, variables=nothing | {"PYTHONIOENCODING": encoding, "LC_ALL": "C"})
    assert "UnicodeEncodeError" not in done.stderr
    is_help = command[-1] == "--help"
    assert done.returncode == (0 if is_help else 1), done.stderr
    assert ("usage:" if is_help else "WRONG") in done.stdout
