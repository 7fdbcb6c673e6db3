"""The one test command: ``python3 -m tests [engine | gimp | install | …] [pytest's own arguments]``.

It gets what the tests need, keeps it in a cache folder for the next time, and becomes pytest. Ruff and the type checker
are tests among the others, in ``test_house.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from plugin.install import engine_env, steps
from plugin.install.steps import StepError, say
from plugin.shared import log, paths
from tests import gimp_root
from tests.gimp_root import REPOSITORY, NoGimpError

_IN_TWO_PROCESSES = ["--numprocesses=2", "--dist=loadgroup"]

TOOLS = Path(__file__).resolve().parent / "requirements.txt"


def main() -> int:
    """Prepare the tests and run them; the exit status is pytest's."""
    parser = argparse.ArgumentParser(prog="python3 -m tests", epilog="Everything else goes to pytest.")
    parser.add_argument("--gimp", choices=["auto", "none"], default="auto", help="none leaves out the tests in GIMP")
    parser.add_argument("--words", action="store_true", help="bring the translations up to date instead of testing")
    parser.add_argument(
        "--screens", nargs="?", const="", metavar="FOLDER", help="take a picture of every state of the window instead"
    )
    options, rest = parser.parse_known_args()
    try:
        if not options.words and options.gimp == "auto" and (reason := gimp_root.can_find()):
            raise NoGimpError(f"{reason} “--gimp none” leaves the tests in GIMP out.")
        log.to_file()
        engine = _engine()
        python = _tools(engine)
    except (NoGimpError, StepError) as error:
        print(error, file=sys.stderr)
        return 2
    arguments = [str(python), "-m", "pytest", f"--gimp={options.gimp}", *map(_as_path, rest)]
    if options.gimp == "auto" and not rest:  # everything: what GIMP takes minutes for goes on beside all else
        arguments += _IN_TWO_PROCESSES
    if options.words:
        arguments = [str(python), "-m", "tests.translations"]
    elif options.screens is not None:
        folder = [str(Path(options.screens).resolve())] if options.screens else []
        arguments = [str(python), "-m", "tests.gimp.screens", *folder]
    variables = dict(os.environ) | {"NEURAL_STYLE_ENGINE_DIR": str(engine)}
    os.chdir(REPOSITORY)
    sys.stdout.flush()
    if sys.platform != "win32":
        os.execve(arguments[0], arguments, variables)  # so that Ctrl+C reaches pytest alone, which then cleans up
    return subprocess.call(arguments, env=variables)


def _as_path(argument: str) -> str:
    """``engine`` is short for ``tests/engine``."""
    return f"tests/{argument}" if (REPOSITORY / "tests" / argument).exists() else argument


def _engine() -> Path:
    """An engine's environment for the tests: the one installed for this user, else one in the tests' cache.

    Where GIMP is on the PATH, the tests that install share the latter.
    """
    installed = paths.engine_folder()
    if engine_env.is_ours(installed) and engine_env.runs(installed) and not engine_env.missing(installed):
        return installed
    folder = gimp_root.cache() / "engine"
    if paths.gimp_console() is not None:
        folder = gimp_root.home() / ".local" / "share" / paths.APPLICATION / "engine"
    say(f"An engine for the tests, in {folder}")
    engine_env.ensure(folder, "auto")
    return folder


def _tools(engine: Path) -> Path:
    """The interpreter of an environment that has the tools, and sees the engine's packages as well."""
    folder = gimp_root.cache() / "tools"
    made_for, python = folder / "made-for.json", paths.python_of(folder)
    wanted = json.dumps([str(engine), engine_env.python_version(engine), TOOLS.read_text()])
    if made_for.is_file() and made_for.read_text() == wanted:
        return python
    say(f"Tools for the tests, in {folder}")
    command = [str(paths.python_of(engine)), "-m", "venv", "--clear", str(folder)]
    steps.run("Making their environment", command, advice=f"delete {folder} and run this again")
    # Before the tools, so that these use the engine's numpy instead of bringing another.
    for own, theirs in zip(engine_env.site_packages(folder), engine_env.site_packages(engine), strict=True):
        (own / "engine.pth").write_text(f"{theirs}\n", encoding="utf-8")
    engine_env.pip(folder, "Installing pytest and the other tools", ["install", "-r", str(TOOLS)])
    made_for.write_text(wanted)
    return python


if __name__ == "__main__":
    sys.exit(main())
