"""The steps of a long job on the terminal: one live line each; everything else goes to the log."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from plugin.shared import log, threads

_log = logging.getLogger("neural-style.install")

_SECONDS_BETWEEN_LINES = 30.0
"""Where the output is no terminal, a long step says this often that it is still at it."""

_SECONDS_BETWEEN_LOOKS = 0.5
"""How soon the time that a step takes is shown anew, and that it takes too long or has ended is seen."""

_LAST_SECONDS = 1.0
"""How long the end of a killed process, and the rest of an ended one's output, is waited for."""


class StepError(Exception):
    """One sentence for a person: what failed and what to do."""


def say(text: str) -> None:
    """Print a line that stays, and keep it in the log."""
    _log.info(text)
    print(text, flush=True)


def refuse_root_for_somebody() -> None:
    """Refuse to go on as root where a person asked for that with sudo or its like.

    Whoever really is root, as in a container, has their own GIMP's profile in root's home.

    Raises:
        StepError: root's home is not where that person's GIMP looks.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return
    import pwd

    for tool, variable in (("sudo", "SUDO_USER"), ("doas", "DOAS_USER"), ("pkexec", "PKEXEC_UID")):
        value = os.environ.get(variable, "")
        try:
            person = pwd.getpwuid(int(value)) if variable.endswith("UID") else pwd.getpwnam(value)
        except (KeyError, ValueError):  # nobody, or nobody in this system's root
            continue
        if person.pw_uid != 0:
            raise StepError(
                f"Run this without {tool}: it would look into root's home, and {person.pw_name}'s GIMP does not."
            )


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

    ``condense`` turns a line of output into what is worth showing of it; None shows nothing new. What the command has
    started and left running goes on when the command has ended by itself, and ends with it otherwise.

    Raises:
        StepError: the command failed or took longer than ``timeout`` seconds; the sentence says ``advice``.
    """
    _log.info("%s: %s", title, " ".join(str(argument) for argument in arguments))
    try:
        process = _start(arguments, subprocess.STDOUT, env, cwd)
    except OSError as error:
        _log.exception("%s cannot be started", arguments[0])
        raise StepError(f"{title} failed ({error.strerror}); {advice}.") from error
    output: list[str] = []
    try:
        with _ended_on_failure(process), _LiveLine(title) as line:
            for text in _lines(process, timeout):
                shown = None if text is None else condense(text)
                if text is not None and (shown is None or not shown.endswith("%")):
                    _log.info("  %s", text)
                    output.append(text)
                line.show(shown)
            if process.returncode:
                _log.error("%s failed with exit status %s", title, process.returncode)
                raise StepError(f"{title} failed; {advice}. There is more in {log.file()}.")
    except subprocess.TimeoutExpired as error:
        _log.error("%s", error)
        minutes = f"{error.timeout / 60:.0f} minutes"
        raise StepError(f"{title} took longer than {minutes}; {advice}. There is more in {log.file()}.") from error
    return output


def ask(
    arguments: Sequence[str | Path],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    stderr: int = subprocess.DEVNULL,
) -> subprocess.CompletedProcess[str]:
    """Run a short command that is no step of its own, and return what it says; bytes that are no UTF-8 become U+FFFD.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it took longer than ``timeout`` seconds.
    """
    process = _start(arguments, stderr, env, None)
    with _ended_on_failure(process):
        said = "".join(f"{line}\n" for line in _lines(process, timeout) if line is not None)
    return subprocess.CompletedProcess(process.args, process.returncode, said)


def _start(
    arguments: Sequence[str | Path], stderr: int, env: Mapping[str, str] | None, cwd: Path | None
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that whatever it will have started can be told from the rest."""
    return subprocess.Popen(
        [str(argument) for argument in arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=env,
        cwd=cwd,
        start_new_session=True,
    )


@contextlib.contextmanager
def _ended_on_failure(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a process and whatever it has started when the block fails; Ctrl+C does not reach them otherwise."""
    try:
        yield
    except BaseException:
        _end(process)
        raise


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            if sys.platform == "win32":
                whole_tree = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
                subprocess.run(whole_tree, capture_output=True, timeout=_LAST_SECONDS, check=False)
            else:
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_SECONDS)


def _lines(process: subprocess.Popen[bytes], timeout: float | None) -> Iterator[str | None]:
    """Every line of a process's output up to its end, and None when there is none for a while.

    The end is the process's. Its output may never end: programs that it has left running can have inherited it.

    Raises:
        subprocess.TimeoutExpired: it runs for more than ``timeout`` seconds.
    """
    assert process.stdout is not None
    lines: queue.Queue[str | Exception | None] = queue.Queue()
    stream = process.stdout

    def pump() -> None:
        with stream:
            for raw in stream:
                lines.put(raw.decode(errors="replace").rstrip())
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_SECONDS)
        lines.put(None)

    def take(seconds: float) -> str | None:
        try:
            line = lines.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(line, Exception):
            raise line
        return line

    pumping = threads.start(pump, lines.put)
    start = time.monotonic()
    while process.poll() is None:
        if timeout is not None and time.monotonic() - start > timeout:
            raise subprocess.TimeoutExpired(process.args, timeout)
        yield take(_SECONDS_BETWEEN_LOOKS)
    pumping.join(_LAST_SECONDS)
    for _ in range(lines.qsize()):
        yield take(0)


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
