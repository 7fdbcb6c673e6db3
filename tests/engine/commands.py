"""The commands of ``python3 -m plugin``: each in a process of its own, or in this one, which has torch already."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys

from plugin import __main__
from plugin.shared import paths


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """As a person runs it."""
    command = [sys.executable, "-m", "plugin", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=paths.PLUG_IN_ROOT, timeout=300)


def run_here(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same without the seconds in which a process loads torch; what nobody catches is raised here."""
    command, output, error = [*map(str, arguments)], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(error):
        try:
            status = __main__.main(command)
        except SystemExit as end:  # of argparse
            status = int(end.code or 0)
    return subprocess.CompletedProcess(command, status, output.getvalue(), error.getvalue())
