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
from typing import IO, Any

import torch

from plugin import __version__, protocol
from plugin.engine import devices, memory, pictures, report, sweep
from plugin.engine.canvas import Style, blend_weights
from plugin.engine.refusal import Refusal
from plugin.engine.transfer import Step, StyleTransfer, Task
from plugin.grid import SCORES, Grid
from plugin.protocol import (
    Cancel,
    Cancelled,
    Cell,
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
    Sweep,
    Swept,
)
from plugin.words import _

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
        self._requests: queue.SimpleQueue[Submit | Sweep] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._transfers: dict[tuple[str, torch.dtype], StyleTransfer] = {}

    def serve(self) -> None:
        """Work until the input ends, which ends the process."""
        devices.use_threads()
        memory.keep_freed()
        available = devices.available()
        self._send(Hello(protocol.VERSION, __version__, {kind: device.name for kind, device in available.items()}))
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            request = self._requests.get()
            self._send(self._answer(request))
            self._cancelled.discard(request.job.id)

    def _listen(self) -> None:
        try:
            while (message := protocol.read(self._source)) is not None:
                if isinstance(message, (Submit, Sweep)):
                    self._requests.put(message)
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

    def _answer(self, request: Submit | Sweep) -> Message:
        """Do a job or a sweep, whatever becomes of it."""
        job = request.job
        try:
            return self._sweep(request) if isinstance(request, Sweep) else self._paint(job)
        except _GivenUp:
            return Cancelled(job.id)
        except Refusal as refusal:
            _log.exception("job %d cannot be done", job.id)
            return Failure(job.id, str(refusal))
        except (MemoryError, torch.OutOfMemoryError):
            _log.exception("job %d needs too much memory", job.id)
            return Failure(job.id, _("There is not enough memory for this picture; choose a smaller working size."))
        except Exception as error:
            _log.exception("job %d failed", job.id)
            what = f"{type(error).__name__}: {error}"
            return Failure(job.id, _("The painting failed ({error}); there is more in the log.").format(error=what))

    def _paint(self, job: Job) -> Result:
        start = time.perf_counter()
        settings = job.settings
        device = devices.choose(settings.device, settings.precision)
        transfer = self._transfers.setdefault((device.kind, device.dtype), StyleTransfer(device))
        follower = _Follower(job, self._send, lambda: job.id in self._cancelled)
        task = _task(job)
        painted = transfer.paint(task, follower)
        likeness = report.Comparison(task, device)(painted) if job.report_every else None
        picture = pictures.to_wire(painted)
        seconds = time.perf_counter() - start
        told = report.of(task, device, seconds, follower.trace, likeness)
        return Result(job.id, picture, device.name, seconds, follower.trace, told)

    def _sweep(self, request: Sweep) -> Swept:
        start = time.perf_counter()
        job = request.job
        if request.score not in (choice.value for choice in SCORES):
            sentence = _("There is no score “{name}”; choose one of {scores}.")
            raise Refusal(sentence.format(name=request.score, scores=", ".join(c.value for c in SCORES)))
        try:
            grid = Grid.of(job.settings, request.vary)
        except ValueError as error:
            raise Refusal(str(error)) from error
        follower = _Follower(job, self._send, lambda: job.id in self._cancelled)
        places, scores = [], []
        for cell in sweep.paint(_task(job), grid, self._transfers, follower):
            places.append(list(cell.place))
            scores.append(cell.scores[request.score])
            self._send(
                Cell(
                    id=job.id,
                    place=places[-1],
                    changed=grid.changed(cell.place),
                    settings=cell.settings,
                    picture=pictures.to_wire(cell.picture),
                    losses=Losses(**cell.losses),
                    score=scores[-1],
                    scores=cell.scores,
                    seconds=cell.report["seconds"],
                    report=cell.report,
                )
            )
        return Swept(job.id, [places[number] for number in sweep.ranked(scores)], time.perf_counter() - start)


def _task(job: Job) -> Task:
    """What to paint.

    Raises:
        Refusal: a picture cannot be used, or the numbers of styles and weights do not fit together.
    """
    weights = blend_weights(job.settings, len(job.styles))
    styles = [
        Style(
            picture=pictures.open_style(style.picture),
            key=_digest(style.picture),
            region=None if style.region is None else pictures.mask_from_wire(style.region),
            weight=weight,
        )
        for style, weight in zip(job.styles, weights, strict=True)
    ]
    return Task(pictures.from_wire(job.content), styles, job.settings, job.grey)


class _Follower:
    """Turns a job's steps into messages, and stops it when that was asked for."""

    def __init__(self, job: Job, send: Callable[[Message], None], cancelled: Callable[[], bool]) -> None:
        self._job, self._send, self._cancelled = job, send, cancelled
        self._last_progress = self._last_preview = 0.0
        self.trace: list[dict[str, Any]] = []

    def __call__(self, step: Step) -> None:
        if self._cancelled():
            raise _GivenUp
        every = self._job.report_every
        is_late = step.seconds - self._last_progress >= _PROGRESS_SECONDS
        if not is_late and not step.is_due(every or step.iterations):
            return
        losses = step.losses()
        if not every or step.is_due(every):
            self.trace.append(step.trace_entry(losses))
        self._last_progress = step.seconds
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
