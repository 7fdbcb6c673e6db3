"""``python3 -m plugin stylize``: pictures from files to a file, with a progress bar and a report."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plugin.engine import pictures, plot, report
from plugin.engine.machine import calibration, clock, devices, memory
from plugin.engine.pictures import Loaded
from plugin.engine.refusal import Refusal
from plugin.engine.transfer.canvas import Style, blend_weights
from plugin.engine.transfer.transfer import Step, StyleTransfer, Task, Transfers
from plugin.shared import durations, log
from plugin.shared.i18n import _
from plugin.shared.settings import Settings

_log = logging.getLogger("neural-style.shell")

_BAR = 30
"""Characters."""


def stylize(options: argparse.Namespace, settings: Settings) -> int:
    """Paint ``options.content`` in the style of its styles and return the exit status."""
    return exit_status(lambda: _stylize(options, settings))


def exit_status(work: Callable[[], None]) -> int:
    """Do the work of a command, say in a sentence why it was not done, and return the exit status."""
    log.to_file()
    try:
        work()
    except Refusal as refusal:
        print(f"\r{refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nCancelled.", file=sys.stderr)
        return 130
    except Exception as error:
        _log.exception("the command failed")
        sentence = f"It failed ({type(error).__name__}: {error}); there is more in {log.file()}."
        if memory.has_run_out(error):
            sentence = "There is not enough memory for this picture; close other programs, or choose a smaller --size."
        print(f"\r{sentence}", file=sys.stderr)
        return 1
    return 0


def _stylize(options: argparse.Namespace, settings: Settings) -> None:
    start = time.perf_counter()
    devices.use_threads()
    for path in filter(None, (options.output, options.report, options.plot)):
        check_place(path)
    pictures.check_name(options.output)
    content, task = read_task(options, settings)
    device = devices.choose(settings.device, settings.precision)
    every = options.report_every if options.report or options.plot else 0
    follower = _Follower(sys.stderr.isatty(), every)
    transfers = Transfers(clock.stored())
    transfer = transfers.on(device)
    if sys.stderr.isatty():
        print(f"{_estimate(transfer, task)}…", file=sys.stderr)
    painted, device = transfers.paint(task, device, follower)
    transfers.clocks.save()
    pictures.save(painted, options.output, content)
    seconds = time.perf_counter() - start
    follower.finish(f"{options.output}: {seconds:.1f} s on {device.name}")
    if options.report:
        told = {
            "content": options.content.name,
            "style": [path.name for path in options.style],
            "style_sha256": [style.key for style in task.styles],
            **report.of(task, device, seconds, follower.trace, report.Comparison(task, device)(painted)),
            "trace": follower.trace,
        }
        write(options.report, json.dumps(told, indent=1) + "\n")
    if options.plot:
        plot.losses(
            follower.trace, options.plot, f"{options.content.name} × {', '.join(p.name for p in options.style)}"
        )


def _estimate(transfer: StyleTransfer, task: Task) -> str:
    """How long the painting will take. Where nothing was painted yet this takes some seconds."""
    if not transfer.clock.knows:
        calibration.calibrate(transfer)
    seconds = transfer.clock.seconds(transfer.work(task.settings, task.sizes).whole)
    return f"{durations.about(seconds)} on {transfer.device.name}"


def read_task(options: argparse.Namespace, settings: Settings) -> tuple[Loaded, Task]:
    """The content as it was loaded, and what to paint.

    Raises:
        Refusal: a picture cannot be read, or the numbers of styles, weights and regions do not fit together.
    """
    content = pictures.load(options.content)
    weights = blend_weights(settings, len(options.style))
    regions = [None if str(path) == "-" else path for path in options.region or []]
    if len(regions) > len(options.style):
        sentence = _("There are {regions} regions and {styles} styles; give one style for each.")
        raise Refusal(sentence.format(regions=len(regions), styles=len(options.style)))
    regions += [None] * (len(options.style) - len(regions))
    styles = [
        Style(
            picture=pictures.decode(data, path.name).rgba,
            key=hashlib.sha256(data).hexdigest(),
            region=None if region is None else pictures.region(pictures.load(region).rgba, content.rgba),
            weight=weight,
        )
        for path, weight, region in zip(options.style, weights, regions, strict=True)
        for data in [pictures.read(path)]
    ]
    return content, Task(content.rgba, styles, settings, content.grey)


def check_place(path: Path) -> None:
    """Find out before the work, not after it, that its result has no place.

    Raises:
        Refusal: the folder does not exist, or nothing can be written there.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise Refusal(_("The folder of “{name}” does not exist; make it or choose another.").format(name=path))
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise Refusal(_("“{name}” cannot be written; choose another name or folder.").format(name=path))


def write(path: Path, text: str) -> None:
    """Write a text file.

    Raises:
        Refusal: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        sentence = _("“{name}” cannot be written ({error}); choose another name or folder.")
        raise Refusal(sentence.format(name=path, error=error.strerror)) from error


def draw_bar(fraction: float, words: str) -> None:
    """Draw a progress bar with a few words after it, over the one before."""
    filled = round(_BAR * fraction)
    print(f"\r{'█' * filled}{'·' * (_BAR - filled)} {words}   ", end="", file=sys.stderr, flush=True)


class _Follower:
    """Keeps the losses of every so many iterations and draws a progress bar where there is a terminal."""

    _SECONDS = 0.1
    """Between two pictures of the bar: asking for the losses makes a graphics card wait."""

    def __init__(self, draws: bool, every: int) -> None:
        self._draws, self._every = draws, every
        self._drawn = 0.0
        self.trace: list[dict[str, Any]] = []

    def __call__(self, step: Step) -> None:
        if step.is_first:
            self.trace.clear()
            self._drawn = 0.0
        draws = self._draws and (step.fraction == 1 or step.seconds - self._drawn >= self._SECONDS)
        keeps = self._every > 0 and step.is_due(self._every)
        if not draws and not keeps:
            return
        losses = step.losses()
        if keeps:
            self.trace.append(step.trace_entry(losses))
        if not draws:
            return
        self._drawn = step.seconds
        where = f"scale {step.scale} of {step.scales} ({step.width} × {step.height})"
        draw_bar(step.fraction, f"{where}, {step.seconds_left:.0f} s left, loss {losses['total']:.4g}")

    def finish(self, sentence: str) -> None:
        print(f"\r\033[K{sentence}" if self._draws else sentence, file=sys.stderr)
