"""What a job consists of, in amounts that take so much time each: known before the job from the sizes alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plugin.engine import pictures
from plugin.engine.machine.devices import Device
from plugin.engine.machine.memory import Plan
from plugin.engine.transfer import metrics, recipe, style_losses, tiles
from plugin.engine.transfer.canvas import extent
from plugin.engine.transfer.recipe import Recipe, Scale
from plugin.engine.transfer.vgg import stride
from plugin.shared.settings import LAYERS, Settings, working_size

_CHANNELS = (3, 64, 128, 256, 512, 512)
"""Of the picture, and of the feature maps of VGG-16's blocks."""

_TERA, _MEGA, _GIGA = 1e12, 1e6, 1e9

_SMALLEST_DETAIL = 32
"""Pixels along the short side of a detail at its first scale: VGG's ``relu4_1`` has four there."""

_LARGEST_MATRIX = 512.0

_PRODUCTS = 0.15
"""Time of Mahalanobis' matrix products beside Wasserstein's eigenvectors on a processor."""

Extent = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Work:
    """Amounts of everything that takes time."""

    networks: float = 0.0
    """That are loaded."""
    opened: float = 0.0
    """Megapixels of the pictures that are taken in."""
    scales: float = 0.0
    """Sizes that are new to the device."""
    looked: float = 0.0
    """TFLOP of the network without its way back."""
    steps: float = 0.0
    painted: float = 0.0
    """TFLOP of the steps' convolutions and of the products with feature maps."""
    matrices: float = 0.0
    """Small matrices of the style measures, in the time of the largest one's eigenvectors."""
    remembered: float = 0.0
    """GB of L-BFGS' memory that are read."""
    windows: float = 0.0
    """Megapixels of structural similarity with its gradient."""
    delivered: float = 0.0
    """Megapixels that are brought up to the picture's size."""
    compared: float = 0.0
    """TFLOP of the network in float32, for the report's likeness."""
    comparisons: float = 0.0
    """Pictures in the report's likeness."""

    def __add__(self, other: Work) -> Work:
        return Work(*(one + more for one, more in zip(self.amounts, other.amounts)))

    def __mul__(self, factor: float) -> Work:
        return Work(*(amount * factor for amount in self.amounts))

    @property
    def amounts(self) -> tuple[float, ...]:
        return dataclasses.astuple(self)


KINDS = tuple(field.name for field in dataclasses.fields(Work))


@dataclass(frozen=True)
class ScaleWork:
    """The work at one scale: before its first step, and for each step."""

    preparation: Work
    step: Work
    steps: int

    @property
    def whole(self) -> Work:
        return self.preparation + self.step * self.steps


@dataclass(frozen=True)
class JobWork:
    """The work of a whole painting, from the pictures to the picture."""

    opening: Work
    scales: Sequence[ScaleWork]
    delivery: Work

    @property
    def whole(self) -> Work:
        return sum((scale.whole for scale in self.scales), self.opening + self.delivery)

    @property
    def steps(self) -> Work:
        """Of all scales."""
        return sum((scale.step * scale.steps for scale in self.scales), Work())

    def first(self) -> JobWork:
        """The same where the network is not there yet."""
        early, *later = self.scales
        early = dataclasses.replace(early, preparation=early.preparation + Work(networks=1))
        return dataclasses.replace(self, scales=[early, *later])


@dataclass(frozen=True)
class Sizes:
    """Of the pictures of a job.

    ``channels`` is 1 where only light and dark are painted, else 3. ``long_side`` is that of what the content is a
    detail of, or its own.
    """

    content: Extent
    styles: Sequence[Extent]
    channels: int
    long_side: int

    @property
    def part(self) -> float:
        """The content's long side in relation to the whole's."""
        return max(self.content) / self.long_side


def sizes(
    settings: Settings, content: Extent, styles: Sequence[Extent], grey: bool, long_side: int | None = None
) -> Sizes:
    """The sizes of a job's pictures; a grey one has one channel."""
    channels = 1 if grey or settings.preserve_colors == "luminance" else 3
    return Sizes(content, styles, channels, long_side or max(content))


def scales(chosen: Recipe, size: int, sizes: Sizes) -> list[Scale]:
    """The scales on the way to a working size; of a detail those of the whole, but for the ones too small for it."""
    if sizes.part == 1:
        return chosen.scales(size)
    found = [
        Scale(round(scale.size * sizes.part), scale.iterations) for scale in chosen.scales(round(size / sizes.part))
    ]
    smallest = _SMALLEST_DETAIL * max(sizes.content) / min(sizes.content)
    return [scale for scale in found[:-1] if scale.size >= smallest] + found[-1:]


def of_painting(
    settings: Settings,
    sizes: Sizes,
    device: Device,
    plan: Callable[[int], Plan],
    knows: Callable[[int, int], bool] = lambda style, size: False,
) -> JobWork:
    """The work of painting a picture, without the comparison afterwards.

    Args:
        plan: what memory allows for a picture of so many pixels.
        knows: whether a style's statistics at a size are there already, given its number and the size.
    """
    chosen = recipe.of(settings)
    wanted = round(working_size(settings, sizes.long_side, device.kind) * sizes.part)
    size = max(extent(*sizes.content, wanted, settings.tileable))
    allowed = plan(_area(extent(*sizes.content, size, settings.tileable)))
    found = [_of_scale(settings, chosen, scale, sizes, allowed, device, knows) for scale in scales(chosen, size, sizes)]
    return JobWork(of_opening(sizes), found, of_delivery(sizes))


def of_opening(sizes: Sizes) -> Work:
    """The work of looking at the pictures for the first time."""
    return Work(opened=sum(map(_area, (sizes.content, *sizes.styles))) / _MEGA)


def of_delivery(sizes: Sizes) -> Work:
    """The work of making the painted picture as large as the content."""
    return Work(delivered=_area(sizes.content) / _MEGA)


def of_comparison(sizes: Sizes, painted_alone: bool = False) -> Work:
    """The work of a report's likeness; less where content and styles were looked at for another painting."""
    side = min(metrics.LONG_SIDE, max(sizes.content))
    looked = [pictures.fit(*sizes.content, side)]
    if not painted_alone:
        looked += [looked[0], *(pictures.fit(*style, min(side, max(style))) for style in sizes.styles)]
    deepest = max(metrics.LAYERS, key=LAYERS.index)
    flops = sum(_convolutions(deepest, _area(picture)) for picture in looked)
    return Work(compared=flops / _TERA, comparisons=len(looked))


def _of_scale(
    settings: Settings,
    chosen: Recipe,
    scale: Scale,
    sizes: Sizes,
    plan: Plan,
    device: Device,
    knows: Callable[[int, int], bool],
) -> ScaleWork:
    width, height = small = extent(*sizes.content, scale.size, settings.tileable)
    pieces = tiles.within(height, width, plan.area, chosen.deepest, settings.tileable)
    once = _convolutions(chosen.deepest, sum(tile.area for tile in pieces))
    # In tiles the sums over the picture come first, and the gradient after them.
    passes = 2 if len(pieces) == 1 else 3
    products = sum(4 * _channels(layer) ** 2 * _positions(layer, small) for layer in chosen.weights.style)
    values = width * height * sizes.channels
    step = Work(
        steps=1,
        painted=(passes * once + len(sizes.styles) * products) / _TERA,
        matrices=len(sizes.styles) * _matrices(chosen, small, device),
        remembered=6 * plan.history * values * (2 if plan.halved else 4) / _GIGA
        if chosen.optimizer == "lbfgs"
        else 0.0,
        windows=width * height / _MEGA if chosen.weights.ssim else 0.0,
    )
    looked, matrices = once, 0.0
    for number, style in enumerate(sizes.styles):
        size = chosen.style_size(scale.size / sizes.part, settings.style_scale, max(style))
        if not knows(number, size):
            looked += _convolutions(chosen.deepest, _area(pictures.fit(*style, size)))
            matrices += _matrices(chosen, pictures.fit(*style, size), device)
    preparation = Work(scales=1, looked=looked / _TERA, matrices=matrices)
    if settings.normalize_gradients:
        preparation += step * (1 + len(chosen.weights.style) + max(1, len(chosen.weights.content)))
    return ScaleWork(preparation, step, scale.iterations)


def _convolutions(deepest: str, pixels: int) -> float:
    """Floating point operations of the network up to a layer; there and not back."""
    flops, before = 0.0, _CHANNELS[0]
    for layer in LAYERS[: LAYERS.index(deepest) + 1]:
        flops += 2 * 9 * before * _channels(layer) * pixels / stride(layer) ** 2
        before = _channels(layer)
    return flops


def _matrices(chosen: Recipe, picture: Extent, device: Device) -> float:
    """Of one style at every layer, relative to the eigenvectors of the largest one."""
    if chosen.measure not in (style_losses.Wasserstein, style_losses.Mahalanobis):
        return 0.0
    factor = 1.0 if chosen.measure is style_losses.Wasserstein else _PRODUCTS
    # On a processor few positions have as few eigenvectors.
    sides = (
        min(_channels(layer), _positions(layer, picture)) if device.kind == "cpu" and factor == 1 else _channels(layer)
        for layer in chosen.weights.style
    )
    return factor * sum((side / _LARGEST_MATRIX) ** 3 for side in sides)


def _channels(layer: str) -> int:
    return _CHANNELS[int(layer[4])]


def _positions(layer: str, picture: Extent) -> int:
    return (picture[0] // stride(layer)) * (picture[1] // stride(layer))


def _area(picture: Extent) -> int:
    return picture[0] * picture[1]
