"""The steps of a long job on the terminal: one live line each; everything else goes to the log."""

from __future__ import annotations

import logging
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from plugin import log

_log = logging.getLogger("neural-style.install")

_SECONDS_BETWEEN_LINES = 30.0
"""Where the output is no terminal, a long step says this often that it is still at it."""


class StepError(Exception):
    """One sentence for a person: what failed and what to do."""


def say(text: str) -> None:
    """Print a line that stays, and keep it in the log."""
    _log.info(text)
    print(text, flush=True)


def run(
    title: str,
    arguments: Sequence[str | Path],
    *,
    advice: str,
    condense: Callable[[str], str | None] = lambda line: None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> list[str]:
    """Run a command as one step and return its lines of output.

    ``condense`` turns a line of output into what is worth showing of it; None shows nothing new.

    Raises:
        StepError: the command failed or took longer than ``timeout`` seconds; the sentence says ``advice``.
    """
    _log.info("%s: %s", title, " ".join(str(argument) for argument in arguments))
    try:
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
        )
    except OSError as error:
        _log.exception("%s cannot be started", arguments[0])
        raise StepError(f"{title} failed ({error.strerror}); {advice}.") from error
    with process, _LiveLine(title) as line:
        try:
            output = _follow(process, line, condense, timeout)
        except BaseException:
            process.kill()
            raise
        if process.returncode:
            _log.error("%s failed with exit status %s", title, process.returncode)
            raise StepError(f"{title} failed; {advice}. There is more in {log.file()}.")
    return output


def _follow(
    process: subprocess.Popen[bytes], line: _LiveLine, condense: Callable[[str], str | None], timeout: float | None
) -> list[str]:
    """Read a process's output to its end, showing what ``condense`` finds in it and the time it takes."""
    assert process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    stream = process.stdout

    def pump() -> None:
        for raw in stream:
            lines.put(raw.decode(errors="replace").rstrip())
        lines.put(None)

    threading.Thread(target=pump, daemon=True).start()
    output: list[str] = []
    start = time.monotonic()
    while True:
        if timeout is not None and time.monotonic() - start > timeout:
            process.kill()
        try:
            text = lines.get(timeout=0.5)
        except queue.Empty:
            line.show()
            continue
        if text is None:
            process.wait()
            return output
        shown = condense(text)
        if shown is None or not shown.endswith("%"):
            _log.info("  %s", text)
            output.append(text)
        line.show(shown)


class _LiveLine:
    """A line that tells what a step is at and for how long; on a terminal it is written over and over."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._detail = ""
        self._start = self._last = time.monotonic()
        self._terminal = sys.stdout.isatty()

    def __enter__(self) -> _LiveLine:
        self.show()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            seconds = f"{time.monotonic() - self._start:.0f} s"
            self._clear()
            say(f"  {self._title}: done ({seconds})")
        elif self._terminal:
            print(flush=True)

    def show(self, detail: str | None = None) -> None:
        self._detail = self._detail if detail is None else detail
        now = time.monotonic()
        elapsed = f"{(now - self._start) // 60:.0f}:{(now - self._start) % 60:02.0f}"
        text = f"  {self._title}… {self._detail}".rstrip()
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            print("\r" + f"{text[: width - 8]}  {elapsed}".ljust(width), end="", flush=True)
        elif now - self._last > _SECONDS_BETWEEN_LINES:
            self._last = now
            print(f"{text}  {elapsed}", flush=True)

    def _clear(self) -> None:
        if self._terminal:
            print("\r".ljust(shutil.get_terminal_size().columns) + "\r", end="", flush=True)
