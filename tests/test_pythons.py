"""What runs in any Python from 3.10 on does so in every one that is here; the engine needs one of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.gimp_root import REPOSITORY
from tests.test_house import BARE, IN_GIMP, name

OLDEST = (3, 10)

USES_IT = """
import io
from plugin.shared import protocol, settings

sent = protocol.Submit(
    protocol.Job(
        7,
        protocol.Picture(2, 1, bytes(32)),
        [protocol.Style(protocol.PictureFile("ü.png", b"bytes"), protocol.Mask(2, 1, bytes(8)))],
        settings.Settings(strength=70, blend="60,40"),
    )
)
pipe = io.BytesIO()
protocol.write(pipe, sent)
pipe.seek(0)
assert protocol.read(pipe) == sent
assert protocol.read(pipe) is None
"""


def version(python: Path) -> tuple[int, int] | None:
    """Of an interpreter; None where it does not run."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        major, minor = done.stdout.split()
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return int(major), int(minor)


@cache
def pythons() -> dict[tuple[int, int], Path]:
    """The interpreters by their versions: this one, those on the PATH, those that pyenv and uv lay beside this one."""
    named = (shutil.which(f"python3{suffix}") for suffix in ("", *(f".{minor}" for minor in range(OLDEST[1], 30))))
    beside = Path(sys.base_prefix).resolve().parent.glob("*3.*/bin/python3")
    found: dict[tuple[int, int], Path] = {}
    for python in (Path(sys.executable), *map(Path, filter(None, named)), *sorted(beside)):
        if (number := version(python)) is not None and number >= OLDEST:
            found.setdefault(number, python)
    return found


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an interpreter in the project's folder without what is installed beside it."""
    command = [str(python), "-I", "-W", "error::SyntaxWarning", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.fixture(params=sorted(pythons()), ids=lambda number: ".".join(map(str, number)))
def python(request: pytest.FixtureRequest) -> Path:
    return pythons()[request.param]


def test_every_python_compiles_what_it_has_to_run(python: Path) -> None:
    files = [name(file) for file in (*BARE, *IN_GIMP)]
    assert len(files) > 40
    code = "import sys\nfor name in sys.argv[1:]: compile(open(name, encoding='utf-8').read(), name, 'exec')"
    done = run(python, "-c", code, *files)
    assert done.returncode == 0, done.stderr


def test_every_python_imports_and_uses_what_both_sides_share(python: Path) -> None:
    modules = [name(file).removesuffix(".py").replace("/", ".") for file in BARE if file.name != "__main__.py"]
    assert "plugin.shared.engine_client" in modules
    lines = ["import sys", "sys.path.insert(0, '.')", *(f"import {module}" for module in modules), USES_IT]
    done = run(python, "-c", "\n".join(lines))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [["install.py"], ["-m", "plugin"], ["-m", "plugin", "stylize"]], ids=" ".join)
def test_every_python_can_say_what_the_commands_do(python: Path, arguments: list[str]) -> None:
    command = [str(python), *arguments, "--help"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
