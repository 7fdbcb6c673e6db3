"""How the loss of two qualities falls, whole paintings from the first scale on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL.Image import Image
from torch import Tensor

from plugin.engine import plot
from plugin.engine.bench import rates, subject, timing
from plugin.engine.bench.telling import say
from plugin.engine.bench.telling import seconds as told
from plugin.engine.machine.devices import Device
from plugin.engine.plot import Series
from plugin.engine.transfer.transfer import Step, StyleTransfer
from plugin.shared.settings import Settings

_QUALITIES = ("gatys", "normal")


def measure(device: Device, size: int) -> dict[str, Any]:
    """Seconds and losses of both, at a size."""
    transfer = StyleTransfer(device)
    found: dict[str, Any] = {}
    for quality in _QUALITIES:
        seconds: list[float] = []
        totals: list[Tensor] = []

        def keep(step: Step, seconds: list[float] = seconds, totals: list[Tensor] = totals) -> None:
            seconds.append(step.seconds)
            totals.append(step.evaluation.total)  # a new tensor; as a number, the device would have to wait for it

        timing.forget()
        transfer.paint(subject.task(Settings(quality=quality, size=size)), keep)
        found[quality] = {"seconds": seconds, "total": [float(total) for total in totals]}
        say(f"{size} px, {quality}: painted in {told(seconds[-1])}")
    return {"size": size, "precision": rates.name(device.dtype), **found}


def chart(losses: Mapping[str, Any], device: str) -> Image:
    """Losses over seconds. The two objectives have nothing in common but where they end."""
    series = []
    for quality, color in zip(_QUALITIES, plot.COLORS[1:]):
        totals = losses[quality]["total"]
        series.append(Series(quality, losses[quality]["seconds"], [total / totals[-1] for total in totals], color))
    title = f"{losses['size']} pixels, {losses['precision']}, on {device}"
    return plot.chart(series, title, "seconds", "loss, the last one is 1", log_y=True)
