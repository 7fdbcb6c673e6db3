"""Answers messages on standard input and output until the input ends."""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import IO

import torch

from plugin import __version__, protocol
from plugin.engine import devices, pictures
from plugin.engine.refusal import Refusal
from plugin.engine.transfer import Step, StyleTransfer, Task
from plugin.protocol import (
    Cancel,
    Cancelled,
    Failure,
    Hello,
    Job,
    Losses,
    Message,
    Picture,
    PictureFile,
    Progress,
    Result,
    Submit,
)

_log = logging.getLogger("neural-style.engine")

_PREVIEW_SIZE = 384
_PROGRESS_SECONDS = 0.1
"""Between two messages; GIMP draws a progress bar no oftener, and on a GPU asking for the losses costs time."""


class _GivenUp(Exception):
    """The job was given up, as asked."""


class Worker:
    """Reads messages in a thread of its own, so that Cancel is heard in the middle of a job, and paints in this one."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source, self._sink = source, sink
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._transfers: dict[str, StyleTransfer] = {}

    def serve(self) -> None:
        """Work until the input ends, which ends the process."""
        devices.use_threads()
        available = devices.available()
        self._send(Hello(protocol.VERSION, __version__, {kind: device.name for kind, device in available.items()}))
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            job = self._jobs.get()
            self._send(self._answer(job))
            self._cancelled.discard(job.id)

    def _listen(self) -> None:
        try:
            while (message := protocol.read(self._source)) is not None:
                if isinstance(message, Submit):
                    self._jobs.put(message.job)
                elif isinstance(message, Cancel):
                    self._cancelled.add(message.id)
        except protocol.ProtocolError:
            _log.exception("the input cannot be read")
        # Whoever asked is gone: whatever the main thread is in the middle of is for nobody.
        logging.shutdown()
        os._exit(0)

    def _send(self, message: Message) -> None:
        try:
            protocol.write(self._sink, message)
        except OSError:
            os._exit(0)

    def _answer(self, job: Job) -> Message:
        """Do a job, whatever becomes of it."""
        try:
            return self._paint(job)
        except _GivenUp:
            return Cancelled(job.id)
        except Refusal as refusal:
            _log.exception("job %d cannot be done", job.id)
            return Failure(job.id, str(refusal))
        except (MemoryError, torch.OutOfMemoryError):
            _log.exception("job %d needs too much memory", job.id)
            return Failure(job.id, "There is not enough memory for this picture; choose a smaller working size.")
        except Exception as error:
            _log.exception("job %d failed", job.id)
            return Failure(job.id, f"The painting failed ({type(error).__name__}: {error}); there is more in the log.")

    def _paint(self, job: Job) -> Result:
        start = time.perf_counter()
        device = devices.choose(job.settings.device)
        transfer = self._transfers.setdefault(device.kind, StyleTransfer(device))
        follower = _Follower(job, self._send, lambda: job.id in self._cancelled)
        task = Task(
            content=pictures.from_wire(job.content),
            style=pictures.open_style(job.style),
            style_key=_digest(job.style),
            settings=job.settings,
            grey=job.grey,
        )
        painted = transfer.paint(task, follower)
        picture = pictures.to_wire(painted)
        return Result(job.id, picture, device.name, time.perf_counter() - start, follower.trace)


class _Follower:
    """Turns a job's steps into messages, and stops it when that was asked for."""

    def __init__(self, job: Job, send: Callable[[Message], None], cancelled: Callable[[], bool]) -> None:
        self._job, self._send, self._cancelled = job, send, cancelled
        self._last_progress = self._last_preview = 0.0
        self.trace: list[dict[str, float]] = []

    def __call__(self, step: Step) -> None:
        if self._cancelled():
            raise _GivenUp
        ends_scale = step.iteration == step.iterations
        if not ends_scale and step.iteration > 1 and step.seconds - self._last_progress < _PROGRESS_SECONDS:
            return
        self._last_progress = step.seconds
        losses = step.losses()
        self.trace.append(step.trace_entry(losses))
        self._send(
            Progress(
                id=self._job.id,
                scale=step.scale,
                scales=step.scales,
                width=step.width,
                height=step.height,
                iteration=step.iteration,
                iterations=step.iterations,
                fraction=step.fraction,
                seconds=step.seconds,
                seconds_left=step.seconds_left,
                losses=Losses(**losses),
                preview=self._preview(step),
            )
        )

    def _preview(self, step: Step) -> Picture | None:
        every = self._job.preview_seconds
        if every <= 0 or step.seconds - self._last_preview < every:
            return None
        self._last_preview = step.seconds
        return pictures.to_wire(step.preview(_PREVIEW_SIZE))


def _digest(style: Picture | PictureFile) -> str:
    data = style.data if isinstance(style, PictureFile) else style.pixels
    return hashlib.sha256(data).hexdigest()


def main() -> None:
    """Serve on this process's standard input and output."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    logging.getLogger("pyvips").setLevel(logging.WARNING)
    # Whatever a library prints must not end in the middle of a message.
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    Worker(sys.stdin.buffer, sink).serve()
