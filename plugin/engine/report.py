"""What a job can tell of itself besides the picture."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor

from plugin import __version__
from plugin.engine import pictures
from plugin.engine.machine.devices import Device
from plugin.engine.transfer import recipe
from plugin.engine.transfer.metrics import LAYERS, Likeness
from plugin.engine.transfer.transfer import Task
from plugin.engine.transfer.vgg import VGG16

Measures = dict[str, dict[str, float]]


class Comparison:
    """How like the result of a task is to its content and its styles, beside how like the content was to them.

    The network runs in float32 whatever the task was painted in, so that figures of different runs can be compared.
    """

    def __init__(self, task: Task, device: Device) -> None:
        network = _network(device.torch_device)
        content = _pixels(task.content, task.grey)
        styles = [_pixels(style.picture, task.grey) for style in task.styles]
        self._likeness = Likeness(content, styles, network, [style.weight for style in task.styles])
        self._grey = task.grey
        self.before: Measures = self._likeness(content)

    def __call__(self, painted: Tensor) -> dict[str, Measures]:
        """``before`` and ``after``, each as :meth:`plugin.engine.transfer.metrics.Likeness.__call__` has it."""
        return {"before": self.before, "after": self._likeness(_pixels(painted, self._grey))}


def _pixels(rgba: Tensor, grey: bool) -> Tensor:
    """1×3×H×W, 0–255."""
    rgb = pictures.fill_transparent(rgba)
    if grey:
        rgb = pictures.luma(rgb).expand(3, -1, -1)
    return rgb[None] * 255


@cache
def _network(device: torch.device) -> VGG16:
    """Kept for the next job."""
    return VGG16(LAYERS, device, torch.float32)


def of(
    task: Task,
    device: Device,
    seconds: float,
    trace: list[dict[str, Any]],
    likeness: dict[str, Measures] | None = None,
    stopped: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Everything to make a picture again and to judge it, as a JSON object; the trace itself is left out.

    ``lambda`` is the weight of the style loss over that of the content loss, null where the content has none.
    ``scales`` has the last line of each scale in the trace. ``stopped`` is where a person stopped it: ``scale`` of
    ``scales`` and ``iteration`` of ``iterations``; null where it ran to its end.
    """
    chosen = recipe.of(task.settings)
    return {
        "version": __version__,
        "settings": task.settings.to_json(),
        "seed": task.settings.seed,
        "lambda": chosen.ratio if math.isfinite(chosen.ratio) else None,
        "weights": {"content": chosen.weights.content, "ssim": chosen.weights.ssim, "style": chosen.weights.style},
        "device": device.name,
        "precision": str(device.dtype).removeprefix("torch."),
        "seconds": seconds,
        "likeness": likeness,
        "stopped": stopped,
        "scales": list({line["scale"]: line for line in trace}.values()),
    }
