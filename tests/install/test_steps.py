"""How a step of the installer ends: with its program, with what that has started, or without waiting for it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from plugin.install import steps
from plugin.install.steps import StepError
from plugin.shared import paths

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins need named pipes and process groups")

HELPER = """
import os, sys, time
with open({fifo!r}, "w") as fifo:
    print(os.getpid(), file=fifo, flush=True)
    time.sleep(60)
    print("was waited for", file=fifo)
"""
"""Goes on for longer than anybody should wait for it, says so, and inherits its parent's output."""

PROGRAM = """
import subprocess, sys, time
print("started", flush=True)
subprocess.Popen([sys.executable, "-c", {helper!r}], start_new_session={detached})
{then}
"""


class Helper:
    """A program that starts another one, which keeps the output open; and what that other one has to say."""

    def __init__(self, fifo: Path) -> None:
        os.mkfifo(fifo)
        self._fifo = fifo
        self._reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self._process_id = 0

    def started_by(self, then: str, *, detached: bool = False) -> list[str]:
        """The command line of the program, which goes on with ``then``."""
        helper = HELPER.format(fifo=str(self._fifo))
        return [sys.executable, "-c", PROGRAM.format(helper=helper, detached=detached, then=then)]

    @property
    def process_id(self) -> int:
        """Its process, once it runs."""
        self._process_id = self._process_id or int(self._said())
        return self._process_id

    def last_words(self) -> str:
        """What it says at its end, once that has come."""
        return self._said()

    def close(self) -> None:
        os.close(self._reader)

    def _said(self) -> str:
        assert select.select([self._reader], [], [], 120)[0], "the helper is silent and lives"
        return os.read(self._reader, 100).decode()


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[Helper]:
    helper = Helper(tmp_path / "fifo")
    yield helper
    helper.close()


@pytest.fixture
def a_day_later(helper: Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step's clock is put forward by a day as soon as the helper runs."""

    def put_forward() -> None:
        assert helper.process_id
        monkeypatch.setattr(steps, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 86400))

    threading.Thread(target=put_forward, daemon=True).start()


def wait(command: list[str]) -> None:
    steps.run("Waiting", command, advice="try it another day", timeout=3600)


def ask(command: list[str]) -> None:
    steps.ask(command, timeout=3600)


@pytest.mark.usefixtures("a_day_later")
def test_a_step_that_takes_too_long_ends_with_everything_that_it_has_started(helper: Helper) -> None:
    with pytest.raises(StepError, match=r"^Waiting took longer than 60 minutes; try it another day\. There is more in"):
        wait(helper.started_by("time.sleep(600)"))
    assert helper.last_words() == ""


@pytest.mark.usefixtures("a_day_later")
@pytest.mark.parametrize("run", [wait, ask])
def test_a_helper_that_cannot_be_ended_is_not_waited_for(helper: Helper, run: Callable[[list[str]], None]) -> None:
    with pytest.raises((StepError, subprocess.TimeoutExpired)):
        run(helper.started_by("time.sleep(600)", detached=True))
    os.kill(helper.process_id, signal.SIGKILL)  # it lives
    assert helper.last_words() == ""


@pytest.mark.usefixtures("a_day_later")
def test_a_question_that_takes_too_long_ends_with_everything_that_it_has_started(helper: Helper) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        ask(helper.started_by("time.sleep(600)"))
    assert helper.last_words() == ""


@pytest.mark.parametrize("detached", [False, True])
def test_a_helper_that_goes_on_in_the_background_does_not_hold_up_a_step_that_is_done(
    helper: Helper, detached: bool
) -> None:
    command = helper.started_by("print('done', flush=True)", detached=detached)
    assert steps.run("Working", command, advice="none") == ["started", "done"]
    os.kill(helper.process_id, signal.SIGKILL)  # it lives
    assert helper.last_words() == ""


def test_a_helper_that_goes_on_in_the_background_does_not_hold_up_an_answer(helper: Helper) -> None:
    assert steps.ask(helper.started_by(""), timeout=3600).stdout == "started\n"
    os.kill(helper.process_id, signal.SIGKILL)
    assert helper.last_words() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_the_installer_ends_what_it_has_started(helper: Helper, number: signal.Signals) -> None:
    """Ctrl+C, a plain kill, a terminal that is closed."""
    command = helper.started_by("time.sleep(600)")
    code = (
        "import sys; from plugin.install import installer, steps\n"
        f"installer.install = lambda *_: steps.run('Waiting', {command!r}, advice='none')\n"
        "sys.exit(installer.main([]))"
    )
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=paths.PLUG_IN_ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background of a shell or under nohup, it would not hear it.
        preexec_fn=lambda: signal.signal(number, usual),
    )
    assert helper.process_id
    process.send_signal(number)
    assert "Interrupted; run this again to go on from here." in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert helper.last_words() == ""


def test_a_line_that_is_not_utf_8_is_a_line(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\nprintf 'caf\\351 \\377\\n'\n")
    tool.chmod(0o755)
    assert steps.run("Speaking", [tool], advice="none") == ["caf\ufffd \ufffd"]
    assert steps.ask([tool], timeout=60).stdout == "caf\ufffd \ufffd\n"


def test_output_that_ends_before_its_program_does_not_end_the_step() -> None:
    code = "import os, time; os.close(1); os.close(2); time.sleep(1); os._exit(3)"
    assert steps.ask([sys.executable, "-c", code], timeout=60).returncode == 3
    with pytest.raises(StepError, match=r"^Closing failed; none\."):
        steps.run("Closing", [sys.executable, "-c", code], advice="none")
