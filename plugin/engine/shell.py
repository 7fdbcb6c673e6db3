"""``python3 -m plugin stylize``: pictures from files to a file, with a progress bar and a report."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
import time
from pathlib import Path

from plugin import __version__
from plugin.engine import devices, pictures
from plugin.engine.refusal import Refusal
from plugin.engine.transfer import Step, StyleTransfer, Task
from plugin.settings import Settings

_log = logging.getLogger("neural-style.shell")


def stylize(options: argparse.Namespace, settings: Settings) -> int:
    """Paint ``options.content`` in the style of ``options.style`` and return the exit status."""
    try:
        _stylize(options, settings)
    except Refusal as refusal:
        print(f"\r{refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nCancelled; nothing was written.", file=sys.stderr)
        return 130
    return 0


def _stylize(options: argparse.Namespace, settings: Settings) -> None:
    start = time.perf_counter()
    devices.use_threads()
    for path in filter(None, (options.output, options.report)):
        _check_folder(path)
    content, style = pictures.load(options.content), pictures.load(options.style)
    device = devices.choose(settings.device)
    digest = hashlib.sha256(options.style.read_bytes()).hexdigest()
    follower = _Follower(sys.stderr.isatty())
    task = Task(content.rgba, style.rgba, digest, settings, content.grey)
    painted = StyleTransfer(device).paint(task, follower)
    pictures.save(painted, options.output, content)
    seconds = time.perf_counter() - start
    follower.finish(f"{options.output}: {seconds:.1f} s on {device.name}")
    if options.report:
        report = {
            "version": __version__,
            "content": options.content.name,
            "style": options.style.name,
            "style_sha256": digest,
            "settings": settings.to_json(),
            "seed": settings.seed,
            "device": device.name,
            "precision": str(device.dtype).removeprefix("torch."),
            "seconds": seconds,
            "trace": follower.trace,
        }
        options.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _check_folder(path: Path) -> None:
    """Find out before the work, not after it, that its result has no place.

    Raises:
        Refusal: the folder does not exist.
    """
    if not path.absolute().parent.is_dir():
        raise Refusal(f"The folder of “{path}” does not exist; make it or choose another.")


class _Follower:
    """Keeps the losses of every iteration and draws a progress bar where there is a terminal."""

    _BAR = 30

    def __init__(self, draws: bool) -> None:
        self._draws = draws
        self.trace: list[dict[str, float]] = []

    def __call__(self, step: Step) -> None:
        losses = step.losses()
        self.trace.append(step.trace_entry(losses))
        if not self._draws:
            return
        filled = round(self._BAR * step.fraction)
        bar = "█" * filled + "·" * (self._BAR - filled)
        where = f"scale {step.scale} of {step.scales} ({step.width} × {step.height})"
        print(
            f"\r{bar} {where}, {step.seconds_left:.0f} s left, loss {losses['total']:.4g}   ",
            end="",
            file=sys.stderr,
            flush=True,
        )

    def finish(self, sentence: str) -> None:
        print(f"\r\033[K{sentence}" if self._draws else sentence, file=sys.stderr)
