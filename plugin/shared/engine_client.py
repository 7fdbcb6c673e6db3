"""Start an engine, send it jobs, follow their events, ask how long they take, stop or cancel them, end it."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from plugin import __version__
from plugin.shared import log, paths, protocol, threads
from plugin.shared.i18n import _
from plugin.shared.protocol import (
    Answer,
    Cancel,
    Cancelled,
    Cell,
    Estimate,
    Estimated,
    Failure,
    Hello,
    Job,
    Progress,
    Request,
    Result,
    Stop,
    Submit,
    Sweep,
    Swept,
)

_log = logging.getLogger("neural-style.client")

_HANDSHAKE_SECONDS = 180.0
"""The first import of torch from a cold disk takes a minute on slow machines."""

_GOODBYE_SECONDS = 5.0

_LONGEST_LINE = 2**16
"""Bytes of what an engine says on standard error that are logged at once."""

_VARIABLE = "NEURAL_STYLE_ENGINE"


class EngineError(Exception):
    """One sentence for a person: what happened and what to do."""


class EngineMissing(EngineError):
    """The engine is not installed."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "The Neural Style engine is not installed in {folder}; run “python3 install.py” in the folder of "
                "Neural Style."
            ).format(folder=paths.engine_folder())
        )


class JobFailed(EngineError):
    """The engine could not do a job and says why; it goes on and takes others."""


class JobCancelled(Exception):
    """The job was given up, as asked."""


def command() -> list[str]:
    """The command line that starts an engine.

    ``$NEURAL_STYLE_ENGINE`` where it is set, for instance ``ssh workstation python3 -m plugin serve``; else the
    installed environment's interpreter.

    Raises:
        EngineMissing: there is no environment.
        EngineError: the variable says nothing that can be started.
    """
    if chosen := os.environ.get(_VARIABLE):
        return _parsed(chosen)
    python = paths.python_of(paths.engine_folder())
    if not python.is_file():
        if paths.is_in_flatpak():
            raise EngineError(
                _("GIMP runs as a Flatpak, from which the engine cannot be reached; use your distribution's GIMP 3.")
            )
        raise EngineMissing
    return [str(python), "-m", "plugin", "serve"]


def _parsed(chosen: str) -> list[str]:
    try:
        arguments = shlex.split(chosen, posix=sys.platform != "win32")
        if sys.platform == "win32":
            arguments = [argument.strip('"') for argument in arguments]  # which it splits at, but leaves
        reason = "" if arguments else _("it names no program")
        if arguments and len(Path(arguments[0]).parts) > 1 and not Path(arguments[0]).is_absolute():
            reason = _("a program that is not on the PATH needs its full path")
    except ValueError as error:
        reason = str(error)
    if reason:
        sentence = _("The variable {name} is “{command}”, which is no command ({reason}); correct or remove it.")
        raise EngineError(sentence.format(name=_VARIABLE, command=chosen, reason=reason))
    return arguments


def environment() -> dict[str, str]:
    """The environment for the engine: ours, without what GIMP's own Python and libraries were told."""
    strip = {"PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH"}
    kept = {name: value for name, value in os.environ.items() if name not in strip}
    return kept | {"PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1"}


def unexpected(error: Exception) -> EngineError:
    """What to tell a person of an exception that nobody expected and that is in the log."""
    if isinstance(error, MemoryError):
        return EngineError(_("There is not enough memory; close other pictures or programs and try again."))
    sentence = _("Neural Style failed unexpectedly ({error}); there is more in {file}.")
    return EngineError(sentence.format(error=f"{type(error).__name__}: {error}", file=log.file()))


class Engine:
    """An engine process, as yet without a word from it. Use it as a context manager, which waits for it to be ready;
    at the end of the block no process is left.

    Raises:
        EngineMissing: the engine is not installed.
        EngineError: it cannot be started.
    """

    hello: Hello
    """What it said of itself when it was ready."""

    def __init__(self) -> None:
        log.to_file()
        arguments = command()
        windows_only: dict[str, Any] = {}
        if sys.platform == "win32":
            windows_only["creationflags"] = subprocess.CREATE_NO_WINDOW
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=paths.PLUG_IN_ROOT,
                env=environment(),
                **windows_only,
            )
        except OSError as error:
            _log.exception("cannot start %s", arguments)
            raise self._does_not_start(str(error.strerror)) from error
        self._events: queue.Queue[Answer | None] = queue.Queue()
        self._estimates: queue.Queue[Estimated | None] = queue.Queue()
        """Either ends with None, which stays there for whoever asks again."""
        self._write_lock, self._estimate_lock = threading.Lock(), threading.Lock()
        self._is_ready = self._is_killed = False
        self._failure: Exception | None = None
        """Why the engine was given up, if it was."""
        self._pumps = [threads.start(self._follow, self._give_up), threads.start(self._keep_log, self._give_up)]

    def wait_until_ready(self) -> None:
        """Wait for the engine's first message, and end the engine when it is not the right one.

        Raises:
            EngineError: it does not start or is of another version.
            JobCancelled: :meth:`kill` came first.
        """
        try:
            self._shake_hands()
        except BaseException:
            self.close()
            raise

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def run(self, job: Job) -> Iterator[Progress | Result]:
        """Submit a job and yield its events; the last one is its Result.

        Raises:
            JobFailed: the job cannot be done.
            EngineError: the engine died or talks nonsense; it can only be closed now.
            JobCancelled: :meth:`cancel` or :meth:`kill` came first.
        """
        for event in self._answers(Submit(job)):
            if isinstance(event, (Progress, Result)):
                yield event

    def sweep(self, sweep: Sweep) -> Iterator[Progress | Cell | Swept]:
        """Submit a grid search and yield its events; the last one is its end, Swept.

        Raises:
            JobFailed, EngineError: as for :meth:`run`.
            JobCancelled: :meth:`cancel` with the id of the sweep's job came first.
        """
        for event in self._answers(sweep):
            if isinstance(event, (Progress, Cell, Swept)):
                yield event

    def cancel(self, job_id: int) -> None:
        """Ask the engine to give up a job or a sweep; may be called from any thread.

        It waits for whatever is being sent at the time.
        """
        with contextlib.suppress(OSError, ValueError):  # ended, or even closed
            self._send(Cancel(job_id))

    def stop(self, job_id: int) -> None:
        """Ask the engine to end a job with what is there now, as its Result; else as :meth:`cancel`."""
        with contextlib.suppress(OSError, ValueError):
            self._send(Stop(job_id))

    def estimate(self, question: Estimate) -> Estimated:
        """How long jobs will take; may be called from any thread, also while one is running.

        Raises:
            EngineError: as for :meth:`run`.
        """
        with self._estimate_lock:
            self._ask(question)
            answer = self._estimates.get()
        if answer is None:
            self._estimates.put(None)
            raise self._ended()
        return answer

    def close(self) -> None:
        """End the engine: first by closing its input, then by force."""
        closing = threads.start(self._close_input)  # which an engine that reads nothing keeps waiting
        self._wait_for_end()
        closing.join(_GOODBYE_SECONDS)

    def kill(self) -> None:
        """End the engine at once; may be called from any thread. What another thread waits for is cancelled."""
        self._is_killed = True
        self._process.kill()

    def __enter__(self) -> Engine:
        self.wait_until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _shake_hands(self) -> None:
        try:
            hello = self._next(_HANDSHAKE_SECONDS)
        except queue.Empty:
            raise self._error(_("The Neural Style engine does not answer")) from None
        if not isinstance(hello, Hello):
            raise self._error(_("The Neural Style engine answers in a way this plug-in does not know"))
        if hello.protocol != protocol.VERSION or hello.version != __version__:
            sentence = _(
                "The Neural Style engine is version {engine} and the plug-in {plugin}; run “python3 install.py” again "
                "to bring them together"
            )
            raise self._error(sentence.format(engine=hello.version, plugin=__version__))
        self.hello, self._is_ready = hello, True

    def _answers(self, request: Submit | Sweep) -> Iterator[Answer]:
        """Send a request and yield what is answered to it, up to its end."""
        try:
            self._ask(request)
        except EngineError:
            if self._is_killed:
                raise JobCancelled from None
            raise
        while True:
            event = self._next(None)
            if getattr(event, "id", request.job.id) != request.job.id:
                continue  # the end of a job that was abandoned before this one
            if isinstance(event, Failure):
                raise JobFailed(event.message)
            if isinstance(event, Cancelled):
                raise JobCancelled
            yield event
            if isinstance(event, (Result, Swept)):
                return

    def _ask(self, request: Request) -> None:
        """Send a request.

        Raises:
            EngineError: the engine has ended; or it was ended here, since nobody knows how much of the request it got.
        """
        try:
            self._send(request)
        except Exception as error:
            if self.is_alive and not isinstance(error, OSError):
                _log.exception("a request was not expected to fail")
                self._give_up(error)
            raise self._ended() from error

    def _send(self, message: Request) -> None:
        assert self._process.stdin is not None
        with self._write_lock:
            protocol.write(self._process.stdin, message)

    def _next(self, timeout: float | None) -> Answer:
        event = self._events.get(timeout=timeout)
        if event is None:
            self._events.put(None)
        if self._is_killed:
            raise JobCancelled
        if event is None:
            raise self._ended()
        return event

    def _follow(self) -> None:
        """Read the engine's messages, in a thread of their own so that a full pipe never stops the engine."""
        assert self._process.stdout is not None
        try:
            while (answer := protocol.read_answer(self._process.stdout)) is not None:
                if isinstance(answer, Estimated):
                    self._estimates.put(answer)
                else:
                    self._events.put(answer)
                del answer  # with its picture, while nothing else comes
        except protocol.StreamEnded:
            _log.warning("the engine ended within a message")
        finally:
            self._events.put(None)
            self._estimates.put(None)

    def _keep_log(self) -> None:
        assert self._process.stderr is not None
        while line := self._process.stderr.readline(_LONGEST_LINE):
            _log.info("engine: %s", line.decode(errors="replace").rstrip())

    def _give_up(self, error: Exception) -> None:
        """End the engine at once, since it cannot be told or cannot be heard what there is to say."""
        self._failure = self._failure or error
        self._process.kill()

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _wait_for_end(self) -> None:
        """Wait until the engine has left and all that it said is taken in; end it when it stays."""
        try:
            self._process.wait(_GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            _log.warning("the engine did not leave by itself")
            self._process.kill()
            self._process.wait()
        for pump in self._pumps:
            pump.join(_GOODBYE_SECONDS)

    def _ended(self) -> EngineError:
        """Why there is no engine any more."""
        self._wait_for_end()
        if isinstance(self._failure, protocol.ProtocolError):
            return self._error(_("The Neural Style engine sent something that is no message"))
        if self._failure is not None:
            return unexpected(self._failure)
        if not self._is_ready:
            return self._does_not_start(_("exit status {status}").format(status=self._process.returncode))
        sentence = _("The Neural Style engine stopped unexpectedly (exit status {status})")
        return self._error(sentence.format(status=self._process.returncode))

    def _does_not_start(self, reason: str) -> EngineError:
        if os.environ.get(_VARIABLE):
            sentence = _(
                "The engine that the variable {name} names does not start ({reason}); correct or remove the variable, "
                "or repair that engine"
            )
            return self._error(sentence.format(name=_VARIABLE, reason=reason))
        sentence = _("The Neural Style engine does not start ({reason}); run “python3 install.py” again to repair it")
        return self._error(sentence.format(reason=reason))

    def _error(self, sentence: str) -> EngineError:
        _log.error(sentence)
        more = _("{sentence}; there is more in {file}.")
        return EngineError(more.format(sentence=sentence, file=log.file()))
