"""Style transfer, coarse to fine.

L. A. Gatys, A. S. Ecker, M. Bethge, *Image Style Transfer Using Convolutional Neural Networks*, CVPR 2016; coarse to
fine after the same authors and A. Hertzmann, E. Shechtman, *Controlling Perceptual Factors in Neural Style Transfer*,
CVPR 2017, section 6.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from plugin.engine import recipe
from plugin.engine.canvas import Canvas
from plugin.engine.devices import Device
from plugin.engine.objective import Evaluation, Objective, shrink
from plugin.engine.optimizers import LBFGS
from plugin.engine.recipe import Recipe, Scale
from plugin.engine.statistics import Moments, StyleMeasure
from plugin.engine.vgg import VGG16, Border
from plugin.settings import Settings

_NOISE = 2.0
"""Standard deviation, in 0–255, of what the seed adds to the start: unseen itself, but no two seeds end alike."""


@dataclass(frozen=True)
class Task:
    """What to paint. ``content`` and ``style`` are 4×H×W R'G'B'A, 0 to 1; ``grey`` paints in luma alone."""

    content: Tensor
    style: Tensor
    style_key: str
    """The same for the same style picture; its statistics are kept under it."""
    settings: Settings = field(default_factory=Settings)
    grey: bool = False


@dataclass(frozen=True)
class Step:
    """One iteration, as it is reported. ``fraction`` is the part of the whole work that is done."""

    scale: int
    scales: int
    width: int
    height: int
    iteration: int
    iterations: int
    fraction: float
    seconds: float
    evaluation: Evaluation
    preview: Callable[[int], Tensor]
    """Given a long side, the picture as it is now: 4×H×W on the CPU."""

    def losses(self) -> dict[str, float]:
        """The parts of the objective as numbers; on a GPU this waits for them."""
        parts = {"content": self.evaluation.content, "style": self.evaluation.style, "tv": self.evaluation.tv}
        numbers = {name: float(value) for name, value in parts.items()}
        return {"total": sum(numbers.values()), **numbers}

    def trace_entry(self, losses: dict[str, float]) -> dict[str, float]:
        """One line of a report's trace, with what :meth:`losses` returned."""
        return {"scale": self.scale, "iteration": self.iteration, "seconds": self.seconds, **losses}

    @property
    def seconds_left(self) -> float:
        """If the rest goes as fast as what is done."""
        return self.seconds * (1 - self.fraction) / self.fraction


class StyleTransfer:
    """Paints pictures on one device; what several pictures share stays warm between them."""

    _STATISTICS_KEPT = 64

    def __init__(self, device: Device) -> None:
        self.device = device
        self._networks: dict[tuple[frozenset[str], Border], VGG16] = {}
        self._statistics: OrderedDict[tuple[object, ...], dict[str, StyleMeasure]] = OrderedDict()

    def paint(self, task: Task, on_step: Callable[[Step], None] = lambda step: None) -> Tensor:
        """Restyle a picture.

        Args:
            on_step: called after every iteration; an exception that it raises ends the work.

        Returns:
            4×H×W of the content's size and with its alpha, on the CPU.

        Raises:
            Refusal: there is nothing to see in the content or the style.
        """
        chosen = recipe.of(task.settings)
        settings = task.settings
        own_size = max(task.content.shape[-2:])
        canvas = Canvas(
            task.content,
            task.style,
            working_size=settings.size or min(own_size, chosen.largest),
            grey=task.grey,
            keep_colors=settings.preserve_colors == "luminance",
        )
        self._optimize(task, chosen, canvas, on_step)
        return canvas.finished()

    def _optimize(self, task: Task, chosen: Recipe, canvas: Canvas, on_step: Callable[[Step], None]) -> None:
        """Minimise the objective at every scale, each starting from the one before."""
        scales = chosen.scales(canvas.working_size)
        cost = [scale.iterations * scale.size**2 for scale in scales]
        start = time.perf_counter()
        for index, scale in enumerate(scales):
            objective = self._objective(task, chosen, canvas, scale)
            if index == 0:
                image = canvas.start(scale.size, self.device.torch_device, _NOISE, task.settings.seed)
            else:
                image = canvas.enlarge(scale.size, self.device.torch_device, chosen.adds_detail)
            optimizer = LBFGS()
            for iteration in range(1, scale.iterations + 1):
                evaluation = objective(image)
                optimizer.step(image, evaluation.gradient)
                canvas.image = image
                done = sum(cost[:index]) + cost[index] * iteration / scale.iterations
                height, width = image.shape[-2:]
                on_step(
                    Step(
                        scale=index + 1,
                        scales=len(scales),
                        width=width,
                        height=height,
                        iteration=iteration,
                        iterations=scale.iterations,
                        fraction=done / sum(cost),
                        seconds=time.perf_counter() - start,
                        evaluation=evaluation,
                        preview=canvas.preview,
                    )
                )

    def _objective(self, task: Task, chosen: Recipe, canvas: Canvas, scale: Scale) -> Objective:
        content, visible = canvas.content_at(scale.size, self.device.torch_device)
        return Objective(
            self._network(chosen),
            recipe.CONTENT_LAYER,
            content,
            self._style_measures(task, chosen, canvas, scale.size),
            chosen.weights,
            visible,
        )

    def _style_measures(self, task: Task, chosen: Recipe, canvas: Canvas, size: int) -> dict[str, StyleMeasure]:
        style_size = round(size * task.settings.style_scale / 100)
        own_size = max(task.style.shape[-2:])
        if not chosen.enlarge_style:
            style_size = min(style_size, own_size)
        key = (task.style_key, style_size, canvas.style_key, chosen.measure, chosen.border)
        if key not in self._statistics:
            style, visible = canvas.style_at(style_size, self.device.torch_device)
            features = self._network(chosen).features(style.expand(1, 3, -1, -1))
            self._statistics[key] = {
                layer: chosen.measure(Moments.of(features[layer], None if visible is None else shrink(visible, layer)))
                for layer in chosen.weights.style
            }
            while len(self._statistics) > self._STATISTICS_KEPT:
                self._statistics.popitem(last=False)
        self._statistics.move_to_end(key)
        return self._statistics[key]

    def _network(self, chosen: Recipe) -> VGG16:
        layers = frozenset((*chosen.weights.style, recipe.CONTENT_LAYER))
        key = (layers, chosen.border)
        if key not in self._networks:
            self._networks[key] = VGG16(layers, self.device.torch_device, self.device.dtype, chosen.border)
        return self._networks[key]
