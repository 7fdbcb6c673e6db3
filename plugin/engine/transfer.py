"""Style transfer, coarse to fine.

L. A. Gatys, A. S. Ecker, M. Bethge, *Image Style Transfer Using Convolutional Neural Networks*, CVPR 2016; coarse to
fine after the same authors and A. Hertzmann, E. Shechtman, *Controlling Perceptual Factors in Neural Style Transfer*,
CVPR 2017, section 6.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from plugin.engine import memory, optimizers, recipe, tiles
from plugin.engine.canvas import Canvas, Style
from plugin.engine.devices import Device
from plugin.engine.memory import Plan
from plugin.engine.objective import Evaluation, Objective, StyleTerm, shrink
from plugin.engine.optimizers import Optimizer
from plugin.engine.recipe import Recipe, Scale
from plugin.engine.refusal import Refusal
from plugin.engine.replay import Replay
from plugin.engine.statistics import MomentSum, StyleMeasure
from plugin.engine.vgg import VGG16
from plugin.settings import Settings
from plugin.words import _

_log = logging.getLogger("neural-style.engine")

_SMALLEST_SIDE = 128
"""Pixels along a side of a tile; where not even that fits, a smaller one would not either."""

_FLAT_AFTER = 10
"""Iterations over which the loss has to fall for a scale to go on."""

_SLOWEST = 0.05
"""Part of its usual size that the last step has; from the middle of the last scale on they shrink."""

_BALANCING_NOISE = 64.0
"""Standard deviation, in 0–255, of the noise over the content at which the terms' gradients are compared. At the
content itself the content loss has none."""


@dataclass(frozen=True)
class Task:
    """What to paint. ``content`` is 4×H×W R'G'B'A, 0 to 1; ``grey`` paints in luma alone."""

    content: Tensor
    styles: Sequence[Style]
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

    def is_due(self, every: int) -> bool:
        """Whether it is the first or the last of its scale or one of every so many."""
        return self.iteration in (1, self.iterations) or self.iteration % every == 0

    def losses(self) -> dict[str, float]:
        """The parts of the objective as numbers; on a GPU this waits for them."""
        parts = {"content": self.evaluation.content, "style": self.evaluation.style, "tv": self.evaluation.tv}
        numbers = {name: float(value) for name, value in parts.items()}
        return {"total": sum(numbers.values()), **numbers}

    def trace_entry(self, losses: dict[str, float]) -> dict[str, Any]:
        """One line of a report's trace, with what :meth:`losses` returned."""
        return {
            "scale": self.scale,
            "width": self.width,
            "height": self.height,
            "iteration": self.iteration,
            "seconds": self.seconds,
            **losses,
            "layers": {name: float(loss) for name, loss in self.evaluation.layers.items()},
        }

    @property
    def seconds_left(self) -> float:
        """If the rest goes as fast as what is done."""
        return self.seconds * (1 - self.fraction) / self.fraction


class StyleTransfer:
    """Paints pictures on one device; what several pictures share stays warm between them."""

    _STATISTICS_KEPT = 64
    _NETWORKS_KEPT = 4

    def __init__(self, device: Device) -> None:
        self.device = device
        self._networks: dict[tuple[object, ...], VGG16] = {}
        self._statistics: OrderedDict[tuple[object, ...], dict[str, StyleMeasure]] = OrderedDict()

    def paint(self, task: Task, on_step: Callable[[Step], None] = lambda step: None) -> Tensor:
        """Restyle a picture.

        Args:
            on_step: called after every iteration; an exception that it raises ends the work.

        Returns:
            4×H×W of the content's size and with its alpha, on the CPU.

        Raises:
            Refusal: there is nothing to see in the content, in a style or in its region; or the device miscalculates.
        """
        chosen = recipe.of(task.settings)
        settings = task.settings
        own_size = max(task.content.shape[-2:])
        canvas = Canvas(
            task.content,
            task.styles,
            working_size=settings.size or min(own_size, chosen.largest_on(self.device)),
            grey=task.grey,
            colors=settings.preserve_colors,
            wraps=settings.tileable,
        )
        self._optimize(task, chosen, canvas, on_step)
        painted = canvas.finished()
        if not bool(painted.isfinite().all()):
            sentence = _(
                "The arithmetic of {device} failed on this picture; choose float32 as the precision or the CPU as the "
                "device."
            )
            raise Refusal(sentence.format(device=self.device.name))
        return painted

    def _optimize(self, task: Task, chosen: Recipe, canvas: Canvas, on_step: Callable[[Step], None]) -> None:
        """Minimise the objective at every scale, each starting from the one before."""
        settings = task.settings
        scales = chosen.scales(canvas.working_size)
        cost = [scale.cost for scale in scales]
        pixels, channels = canvas.working_pixels, canvas.channels
        plan = memory.plan(pixels, channels, self.device, settings.memory)
        optimizer = recipe.optimizer(chosen, settings, plan)
        device = self.device.torch_device
        start = time.perf_counter()
        for index, scale in enumerate(scales):
            if index == 0:
                image = canvas.start(scale.size, device, settings.start, settings.seed)
            else:
                image = canvas.enlarge(scale.size, device, chosen.adds_detail)
                optimizer.enlarge(*image.shape[-2:])
            height, width = image.shape[-2:]
            is_last = index == len(scales) - 1
            for iteration, iterations, evaluation in self._descend(task, chosen, canvas, scale, optimizer, plan):
                if is_last:
                    optimizer.slow_down(min(1.0, 2 * (1 - iteration / iterations) + _SLOWEST))
                done = sum(cost[:index]) + cost[index] * iteration / iterations
                on_step(
                    Step(
                        scale=index + 1,
                        scales=len(scales),
                        width=width,
                        height=height,
                        iteration=iteration,
                        iterations=iterations,
                        fraction=done / sum(cost),
                        seconds=time.perf_counter() - start,
                        evaluation=evaluation,
                        preview=canvas.preview,
                    )
                )

    def _descend(
        self, task: Task, chosen: Recipe, canvas: Canvas, scale: Scale, optimizer: Optimizer, plan: Plan
    ) -> Iterator[tuple[int, int, Evaluation]]:
        """The iterations of one scale, as iteration, how many there will be, and what was found; they change the image.

        Where the device has less memory than it seemed to have, the work goes on in smaller tiles.
        """
        assert canvas.image is not None
        side, done = plan.side, 0
        while True:
            try:
                for found in self._iterate(task, chosen, canvas, scale, optimizer, side, done):
                    done = found[0]
                    yield found
                return
            except torch.OutOfMemoryError:
                if side <= _SMALLEST_SIDE:
                    raise
                side = min(side, max(canvas.image.shape[-2:])) // 2
                _log.warning("%s has too little memory; going on in tiles of %d pixels", self.device.name, side)
            # Out here the error, and with it what it held of the device, is gone.
            torch.cuda.empty_cache()

    def _iterate(
        self, task: Task, chosen: Recipe, canvas: Canvas, scale: Scale, optimizer: Optimizer, side: int, done: int
    ) -> Iterator[tuple[int, int, Evaluation]]:
        """The iterations after the first ``done``, as :meth:`_descend`, in tiles of ``side`` pixels."""
        assert canvas.image is not None
        objective = self._objective(task, chosen, canvas, scale, side)
        guard = _Guard(task.settings)
        step = _step(objective, optimizer, guard, canvas.image)
        for iteration in range(done + 1, scale.iterations + 1):
            evaluation = step()
            flat = guard.is_flat(iteration, evaluation)
            yield iteration, iteration if flat else scale.iterations, evaluation
            if flat:
                return

    def _objective(self, task: Task, chosen: Recipe, canvas: Canvas, scale: Scale, side: int) -> Objective:
        device = self.device.torch_device
        content, visible = canvas.content_at(scale.size, device)
        styles = [
            StyleTerm(self._style_measures(task, number, chosen, canvas, scale.size, side), share, guidance)
            for number, (share, guidance) in enumerate(canvas.guidance_at(scale.size, device))
        ]
        network = self._network(chosen)
        height, width = content.shape[-2:]
        pieces = tiles.cut(height, width, side, network.layers[-1], task.settings.tileable)
        objective = Objective(network, content, styles, chosen.weights, visible, pieces)
        if task.settings.normalize_gradients:
            noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(0)).to(device)
            sizes = objective.gradient_sizes((content + _BALANCING_NOISE * noise).clamp(0, 255))
            objective.weights = recipe.balanced(chosen.weights, sizes)
        return objective

    def _style_measures(
        self, task: Task, number: int, chosen: Recipe, canvas: Canvas, size: int, side: int
    ) -> dict[str, StyleMeasure]:
        style = task.styles[number]
        style_size = round(size * task.settings.style_scale / 100)
        style_size = round(min(style_size, chosen.enlarge_style * max(style.picture.shape[-2:])))
        network = self._network(chosen)
        layers = frozenset(chosen.weights.style)
        key = (style.key, style_size, canvas.style_key(number), chosen.measure, layers, chosen.border, chosen.pooling)
        if key not in self._statistics:
            picture, visible = canvas.style_at(number, style_size, self.device.torch_device)
            sums = {layer: MomentSum() for layer in chosen.weights.style}
            masks = {} if visible is None else {layer: shrink(visible, layer) for layer in sums}
            height, width = picture.shape[-2:]
            for tile in tiles.cut(height, width, side, network.layers[-1]):
                features = network.features(tile.cut(picture).expand(1, 3, -1, -1))
                for layer, moments in sums.items():
                    weights = tile.place(masks[layer], layer) if masks else None
                    moments.add(tile.own(features[layer], layer), weights)
            self._statistics[key] = {layer: chosen.measure(moments.moments()) for layer, moments in sums.items()}
            while len(self._statistics) > self._STATISTICS_KEPT:
                self._statistics.popitem(last=False)
        self._statistics.move_to_end(key)
        return self._statistics[key]

    def _network(self, chosen: Recipe) -> VGG16:
        layers = frozenset((*chosen.weights.style, *chosen.weights.content))
        key = (layers, chosen.border, chosen.pooling)
        if key not in self._networks:
            device = self.device
            if len(self._networks) == self._NETWORKS_KEPT:
                del self._networks[next(iter(self._networks))]
            self._networks[key] = VGG16(layers, device.torch_device, device.dtype, chosen.border, chosen.pooling)
        return self._networks[key]


def _step(objective: Objective, optimizer: Optimizer, guard: _Guard, image: Tensor) -> Callable[[], Evaluation]:
    """One iteration, which changes ``image``. On NVIDIA and AMD cards it is recorded once and then replayed."""

    def step() -> Evaluation:
        evaluation = objective(image)
        optimizer.step(image, guard.clip(evaluation.gradient))
        return evaluation

    return Replay(step) if image.device.type == "cuda" else step


class _Guard:
    """Keeps the gradients of one scale within bounds, and sees when there is nothing left to gain."""

    def __init__(self, settings: Settings) -> None:
        self._clipping, self._below = settings.gradient_clipping, settings.stop_below / 100
        self._longest: Tensor | None = None
        self._before: float | None = None

    def clip(self, gradient: Tensor) -> Tensor:
        """No longer than so many times the first one."""
        if not self._clipping:
            return gradient
        if self._longest is None:
            self._longest = self._clipping * gradient.square().mean().sqrt()
        return optimizers.clipped(gradient, self._longest)

    def is_flat(self, iteration: int, evaluation: Evaluation) -> bool:
        """Whether the last iterations lowered the loss by less than what was asked for."""
        if not self._below or iteration % _FLAT_AFTER != 1:
            return False
        before, self._before = self._before, float(evaluation.total)
        return before is not None and before - self._before < self._below * before
