"""How long a person waits in GIMP, as a table in Markdown.

    python3 -m tests.bench.in_gimp [--tries 5] [--layer 6000x4000]

It uses the GIMP of the tests, see ``tests/gimp_root.py``, and installs this folder's plug-in there. Medians of several
tries, of which the first has everything to load; what GIMP needs to start the filter's own process stands by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests import gimp_root
from tests.gimp_root import REPOSITORY, Gimp, NoGimpError

PATIENCE, SHORT_PATIENCE = 1800.0, 180.0
"""Seconds for everything, and for a single thing."""


class BenchError(Exception):
    """GIMP or the filter did not do what is to be timed; the message has what it said."""


def main() -> int:
    """Install, measure and print."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.bench.in_gimp")
    parser.add_argument("--tries", type=int, default=5, metavar="N")
    parser.add_argument("--layer", type=_size, default="6000x4000", metavar="WxH", help="the size of the large layer")
    options = parser.parse_args()
    try:
        gimp = gimp_root.find()
        try:
            install(gimp)
            print(markdown(measure(gimp, options.tries, *options.layer)))
        finally:
            gimp.close()
    except (NoGimpError, BenchError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _size(text: str) -> tuple[int, int]:
    width, height = map(int, text.split("x"))
    return width, height


def install(gimp: Gimp) -> None:
    """Put a link to this folder's plug-in into GIMP's profile, and its engine into its home."""
    done = gimp.command(["python3", "install.py", "--link"], cwd=REPOSITORY, timeout=PATIENCE)
    if done.returncode != 0:
        raise BenchError(f"The plug-in cannot be installed:\n{done.stdout}{done.stderr}")


def measure(gimp: Gimp, tries: int, width: int, height: int) -> dict[str, list[float]]:
    """The seconds of every try, by what was timed."""
    report = gimp.folder / "in-gimp.json"
    report.unlink(missing_ok=True)
    said = _inside(gimp, f"run({str(report)!r}, {tries}, {width}, {height})")
    if not report.is_file():
        raise BenchError(f"GIMP ended before everything was measured:\n{said[-4000:]}")
    rows: dict[str, list[float]] = json.loads(report.read_text(encoding="utf-8"))
    name = "the filter's process is killed while it paints, until its engine is gone"
    rows[name] = [_orphan(gimp) for _number in range(tries)]
    return rows


def _inside(gimp: Gimp, call: str, seconds: float = PATIENCE) -> str:
    """Run a function of ``inside_gimp`` there, for so long at most, and return what GIMP printed."""
    code = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\nfrom tests.bench import inside_gimp; inside_gimp.{call}"
    )
    done = gimp.python(code, timeout=seconds, environment={"NEURAL_STYLE_TESTS": str(gimp.folder)})
    return str(done.stdout)


def _orphan(gimp: Gimp) -> float:
    """The seconds that an engine outlives the process in GIMP that has started it."""
    note = gimp.folder / "painting"
    note.unlink(missing_ok=True)
    painting = threading.Thread(target=_inside, args=(gimp, f"paint_for_long({str(note)!r})", SHORT_PATIENCE))
    painting.start()
    _wait(note.is_file, "the engine to paint")
    owner, engine = map(int, note.read_text(encoding="ascii").split())
    start = time.perf_counter()
    os.kill(owner, signal.SIGKILL)
    _wait(lambda: not _runs(engine), "the engine to end")
    seconds = time.perf_counter() - start
    painting.join()
    return seconds


def _wait(ready: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SHORT_PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise BenchError(f"It was waited for {what} in vain.")
        time.sleep(0.002)


def _runs(process: int) -> bool:
    """Whether a process does, dead ones that nobody has buried left out."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def markdown(rows: Mapping[str, Sequence[float]]) -> str:
    """A row for everything that was timed."""
    lines = ["| from … to | median | least – most | tries |", "| --- | --- | --- | --- |"]
    for name, seconds in rows.items():
        spread = f"{min(seconds):.2f} – {max(seconds):.2f} s" if len(seconds) > 1 else ""
        lines.append(f"| {name} | {statistics.median(seconds):.2f} s | {spread} | {len(seconds)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
