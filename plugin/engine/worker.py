"""Answers messages on standard input and output until the input ends."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Collection
from typing import IO, Any, NoReturn

from torch import Tensor

from plugin import __version__
from plugin.engine import pictures, report, sweep
from plugin.engine.machine import calibration, clock, devices, memory, work
from plugin.engine.refusal import Refusal
from plugin.engine.transfer.canvas import Style, blend_weights
from plugin.engine.transfer.transfer import Enough, Step, StyleTransfer, Task, Transfers, Whole
from plugin.shared import protocol, threads
from plugin.shared.i18n import _
from plugin.shared.protocol import (
    Cancel,
    Cancelled,
    Cell,
    Estimate,
    Estimated,
    Failure,
    Hello,
    Job,
    Losses,
    Message,
    Picture,
    PictureFile,
    Progress,
    Result,
    Stop,
    Submit,
    Sweep,
    Swept,
)
from plugin.shared.sweep_grid import SCORES, Grid

_log = logging.getLogger("neural-style.engine")

_PREVIEW_SIZE = 384
_PROGRESS_SECONDS = 0.1
"""Between two messages; GIMP draws a progress bar no oftener, and on a GPU asking for the losses costs time."""


_IDLE_SECONDS = 1.0
"""After which a device of which nothing is known is looked at: nobody should wait for that."""

_USUAL_STYLE = (1200, 900)
"""Width and height in pixels that a style is taken to have as long as nobody has looked."""


class _GivenUp(Exception):
    """The job was given up, as asked."""


class Worker:
    """Reads messages in a thread of its own, so that Cancel and Stop are heard in mid-job, and paints in this one.

    Args:
        source, sink: where messages come from, and where the answers go.
    """

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source, self._sink = source, sink
        self._requests: queue.SimpleQueue[Submit | Sweep] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._stopped: set[int] = set()
        self._sending = threading.Lock()
        self._transfers = Transfers(clock.stored())
        self._is_calibrated = False
        self._styles: dict[str, Tensor] = {}
        """The last job's style pictures by their digests; the next job mostly has the same ones."""

    def serve(self) -> None:
        """Work until the input ends, or cannot be read on: that ends the process, whatever this thread is doing."""
        devices.use_threads()
        available = devices.available()
        self._send(Hello(protocol.VERSION, __version__, {kind: device.name for kind, device in available.items()}))
        threads.start(self._listen_to_the_end, on_failure=lambda error: _end(1))
        while True:
            self.answer_next()

    def _listen_to_the_end(self) -> None:
        self.listen()
        _end(0)  # whoever asked is gone: whatever is being painted is for nobody

    def listen(self) -> None:
        """Read messages until the input ends; answer questions at once, and keep jobs and sweeps to be answered.

        Raises:
            ProtocolError: what came is no message; nobody knows where the next one would begin.
            MemoryError: there is no room for what came.
        """
        while (message := protocol.read_request(self._source)) is not None:
            if isinstance(message, Cancel):
                self._cancelled.add(message.id)
            elif isinstance(message, Stop):
                self._stopped.add(message.id)
            elif isinstance(message, Estimate):
                self._send(self._estimated(message))
            else:
                self._requests.put(message)
            del message  # with its pictures, while nothing else comes

    @property
    def is_asked(self) -> bool:
        """Whether there is a job or a sweep to be answered."""
        return not self._requests.empty()

    def answer_next(self) -> None:
        """Answer the next job or sweep, when there is one."""
        request = self._next()
        self._send(self._answer(request))
        self._cancelled.discard(request.job.id)
        self._stopped.discard(request.job.id)
        self._transfers.clocks.save()
        del request  # with its pictures
        memory.give_back()

    def _next(self) -> Submit | Sweep:
        """The next request; while there is none, see how fast the best device is, if that is not known."""
        transfer = self._transfers.on(devices.choose("auto"))
        if not transfer.clock.knows and not self._is_calibrated:
            with contextlib.suppress(queue.Empty):
                return self._requests.get(timeout=_IDLE_SECONDS)
            self._is_calibrated = True  # or cannot be
            try:
                calibration.calibrate(transfer, is_over=lambda: self.is_asked)
            except Exception:
                _log.exception("%s cannot be calibrated", transfer.device.name)
            self._transfers.clocks.save()
            memory.give_back()
        return self._requests.get()

    def _send(self, message: Message) -> None:
        try:
            with self._sending:
                protocol.write(self._sink, message)
        except OSError:  # whoever asked is gone
            _end(0)

    def _estimated(self, asked: Estimate) -> Estimated:
        """How long jobs will take; in the thread that listens, whatever the other one does."""
        kind, name, seconds = "", "", None
        try:
            device = devices.choose(asked.settings.device, asked.settings.precision)
            kind, name = device.kind, device.name
            seconds = self._seconds(asked, self._transfers.on(device))
        except Refusal:
            pass  # the job itself will be refused
        except Exception:  # for instance sizes that no picture has
            _log.exception("it cannot be said how long jobs will take")
        return Estimated(asked.id, seconds, kind, name)

    @staticmethod
    def _seconds(asked: Estimate, transfer: StyleTransfer) -> float | None:
        """How long jobs will take on a device; None as long as nothing is known of it."""
        if not transfer.clock.knows:
            return None
        settings = asked.settings
        styles = [(width, height) if width else _USUAL_STYLE for width, height in asked.styles]
        jobs = [work.sizes(settings, (width, height), styles, asked.grey) for width, height in asked.contents]
        all_of_it = work.Work(networks=0 if transfer.is_warm else 1)
        for sizes in jobs:
            all_of_it += transfer.work(settings, sizes).whole
            all_of_it += work.of_comparison(sizes) if asked.reported else work.Work()
        seconds = transfer.clock.seconds(all_of_it)
        return seconds if math.isfinite(seconds) else None

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
        except Exception as error:
            _log.exception("job %d failed", job.id)
            if memory.has_run_out(error):
                sentence = _(
                    "There is not enough memory for this picture; close other programs, or choose a smaller working "
                    "size."
                )
                return Failure(job.id, sentence)
            what = f"{type(error).__name__}: {error}"
            return Failure(job.id, _("The painting failed ({error}); there is more in the log.").format(error=what))

    def _paint(self, job: Job) -> Result:
        start = time.perf_counter()
        settings = job.settings
        device = devices.choose(settings.device, settings.precision)
        transfer = self._transfers.on(device)
        task = self._task(job)
        after = transfer.clock.seconds(work.of_comparison(task.sizes)) if job.report_every else 0.0
        follower = _Follower(job, self._send, self._cancelled, self._stopped, after)
        painted, device = self._transfers.paint(task, device, follower)
        likeness = _likeness(task, self._transfers.on(device), painted) if job.report_every else None
        picture = pictures.to_wire(painted)
        seconds = time.perf_counter() - start
        told = report.of(task, device, seconds, follower.trace, likeness, follower.stopped)
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
        follower = _Follower(job, self._send, self._cancelled, stops=())
        places, scores = [], []
        for cell in sweep.paint(self._task(job), grid, self._transfers, follower, request.center):
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

    def _task(self, job: Job) -> Task:
        """What to paint.

        Raises:
            Refusal: a picture cannot be used, or the numbers of styles and weights do not fit together.
        """
        weights = blend_weights(job.settings, len(job.styles))
        keys = [_digest(style.picture) for style in job.styles]
        self._styles = {
            key: pictures.open_style(style.picture) if (kept := self._styles.get(key)) is None else kept
            for key, style in zip(keys, job.styles)
        }
        styles = [
            Style(
                picture=self._styles[key],
                key=key,
                region=None if style.region is None else pictures.mask_from_wire(style.region),
                weight=weight,
            )
            for key, style, weight in zip(keys, job.styles, weights, strict=True)
        ]
        whole = None if job.whole is None else Whole(job.whole.long_side, pictures.from_wire(job.whole.picture))
        return Task(pictures.from_wire(job.content), styles, job.settings, job.grey, whole)


class _Follower:
    """Turns a job's steps into messages, and ends it when that was asked for.

    Args:
        cancels, stops: the ids of the jobs that are to be given up, and to be ended with what is there; both may grow.
        after: seconds from the painting's end to the job's.
    """

    def __init__(
        self,
        job: Job,
        send: Callable[[Message], None],
        cancels: Collection[int],
        stops: Collection[int],
        after: float = 0.0,
    ) -> None:
        self._job, self._send, self._cancels, self._stops, self._after = job, send, cancels, stops, after
        self._last_progress = self._last_preview = 0.0
        self.trace: list[dict[str, Any]] = []
        self.stopped: dict[str, int] | None = None
        """Where the work was stopped, if it was, as :func:`plugin.engine.report.of` tells it."""

    def __call__(self, step: Step) -> None:
        if self._job.id in self._cancels:
            raise _GivenUp
        if self._job.id in self._stops and step.fraction < 1:
            self._stop(step)
        if step.is_first:
            self.trace.clear()
            self._last_progress = self._last_preview = -math.inf  # the first of each is sent at once
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
                seconds_left=step.seconds_left + self._after,
                losses=Losses(**losses),
                preview=self._preview(step),
            )
        )

    def _stop(self, step: Step) -> None:
        self.trace.append(step.trace_entry(step.losses()))
        self.stopped = {name: getattr(step, name) for name in ("scale", "scales", "iteration", "iterations")}
        raise Enough

    def _preview(self, step: Step) -> Picture | None:
        every = self._job.preview_seconds
        if every <= 0 or step.seconds - self._last_preview < every:
            return None
        self._last_preview = step.seconds
        return pictures.to_wire(step.preview(_PREVIEW_SIZE))


def _likeness(task: Task, transfer: StyleTransfer, painted: Tensor) -> dict[str, report.Measures] | None:
    """How like the painting is to its content and its styles; None where that cannot be told: it is painted anyway."""
    try:
        with transfer.clock.timing(work.of_comparison(task.sizes)):
            return report.Comparison(task, transfer.device)(painted)
    except Exception:
        _log.exception("the painting cannot be compared")
        return None


def _digest(style: Picture | PictureFile) -> str:
    data = style.data if isinstance(style, PictureFile) else style.pixels
    return hashlib.sha256(data).hexdigest()


def _end(status: int) -> NoReturn:
    """End the process from any of its threads."""
    try:
        logging.shutdown()
    finally:
        os._exit(status)


def main() -> None:
    """Serve on this process's standard input and output."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    logging.getLogger("pyvips").setLevel(logging.WARNING)
    # Whatever a library prints must not end in the middle of a message.
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        Worker(sys.stdin.buffer, sink).serve()
    finally:  # Python's own end would wait for the thread that listens
        _log.exception("the engine ends")
        _end(1)
