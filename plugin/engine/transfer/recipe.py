"""What the settings come to: the objective, the scales and the way downhill."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from plugin.engine.machine.memory import Plan
from plugin.engine.transfer import style_losses, vgg
from plugin.engine.transfer.metrics import CONTENT_LAYER, STYLE_LAYERS
from plugin.engine.transfer.objective import Weights
from plugin.engine.transfer.optimizers import LBFGS, Adam, GradientDescent, Optimizer
from plugin.shared.settings import LAYERS, Settings, parse_layers

Measure = Callable[[style_losses.Moments], style_losses.StyleMeasure]


@dataclass(frozen=True)
class Scale:
    """One step of coarse-to-fine: the long side in pixels, and how many iterations it gets."""

    size: int
    iterations: int


@dataclass(frozen=True)
class Recipe:
    """Everything about how a picture is made that is not in the pictures."""

    style_measure: str
    """The value of the setting that asks for ``measure``."""
    measure: Measure
    weights: Weights
    border: vgg.Border
    coarsest: int
    """Long side of the first scale, about."""
    growth: float
    """From one scale to the next, up to the working size."""
    iterations: tuple[int, int]
    """At the first scale and at the last; geometrically between them."""
    finishing: int
    """Iterations that the last scale gets besides."""
    adds_detail: bool
    """Whether a scale starts with the detail that the content has beyond the scale before. It brings the loss down
    sooner; without it there is less of the photograph in the painting."""
    enlarge_style: float
    """How many times its own size a style picture may be enlarged to have the size of the picture. Where it may not,
    the finest strokes of a large picture have the size of the style's pixels: grain."""
    optimizer: str = "adam"
    learning_rate: float = 8.0
    """Of Adam: its first step in levels of 255."""
    pooling: vgg.Pooling = "max"

    @property
    def deepest(self) -> str:
        """The layer up to which the network is needed."""
        return max((*self.weights.style, *self.weights.content), key=LAYERS.index)

    def style_size(self, size: float, style_scale: float, own_size: int) -> int:
        """Long side of a style's picture at a scale of so many pixels; ``style_scale`` is the setting, in percent."""
        return round(min(round(size * style_scale / 100), self.enlarge_style * own_size))

    def scales(self, size: int) -> list[Scale]:
        """The scales on the way to a working size."""
        steps = max(0, round(math.log(size / self.coarsest, self.growth)))
        first, last = self.iterations
        scales = []
        for step in range(steps + 1):
            iterations = round(first * (last / first) ** (step / max(1, steps)))
            scales.append(Scale(round(size / self.growth ** (steps - step)), iterations))
        return [*scales[:-1], Scale(size, scales[-1].iterations + self.finishing)]

    @property
    def ratio(self) -> float:
        """λ: the weight of the style loss over that of the content loss; infinite where only the style counts."""
        content = sum(self.weights.content.values()) + self.weights.ssim
        return sum(self.weights.style.values()) / content if content else math.inf


def of(settings: Settings) -> Recipe:
    """The recipe of a quality, changed as the other settings say."""
    recipe = _QUALITIES[settings.quality]
    if settings.style_measure not in ("auto", recipe.style_measure):
        measure, style = _BALANCED[settings.style_measure]
        weights = dataclasses.replace(_NORMAL.weights, style=style)
        # Whitening makes the loss steep in some directions and flat in others, which Adam knows nothing of.
        way = "lbfgs" if settings.style_measure == "mahalanobis" else recipe.optimizer
        recipe = dataclasses.replace(
            recipe, style_measure=settings.style_measure, measure=measure, weights=weights, optimizer=way
        )
    if settings.strength < _FULL_STEPS:
        # So little is to change that what a small scale has lost would not come back.
        recipe = dataclasses.replace(recipe, adds_detail=True)
    if settings.tileable:
        recipe = dataclasses.replace(recipe, border="circular")
    if settings.optimizer != "auto":
        recipe = dataclasses.replace(recipe, optimizer=settings.optimizer)
    if settings.iterations:
        recipe = dataclasses.replace(recipe, iterations=(settings.iterations, settings.iterations), finishing=0)
    return dataclasses.replace(recipe, pooling=_POOLINGS[settings.pooling], weights=_weights(recipe.weights, settings))


def optimizer(recipe: Recipe, settings: Settings, plan: Plan) -> Optimizer:
    """The optimizer that the recipe names, remembering as much as there is memory for."""
    if recipe.optimizer == "adam":
        rate = recipe.learning_rate
        if settings.start == "content":
            # However small a gradient is, Adam's steps have their size: where nearly nothing is to change, they are
            # noise.
            rate *= min(1.0, settings.strength / _FULL_STEPS)
        return Adam(settings.learning_rate or rate, settings.beta1, settings.beta2)
    if recipe.optimizer == "gradient-descent":
        return GradientDescent(settings.learning_rate or 1.0)
    return LBFGS(plan.history, keep_as=torch.bfloat16 if plan.halved else None)


def balanced(weights: Weights, sizes: Mapping[str, float]) -> Weights:
    """Weights with which each term's gradient has the size that its share of the weights says.

    Args:
        sizes: the root mean square of each term's own gradient, at one and the same picture.
    """
    style = sum(weights.style.values())
    if not style:
        return weights  # there is nothing to be in proportion to
    whole = sum(weight * sizes[f"style {layer}"] for layer, weight in weights.style.items())
    factors = {f"style {layer}": whole / style / max(sizes[f"style {layer}"], 1e-30) for layer in weights.style}
    for term in (*(f"content {layer}" for layer in weights.content), "content ssim"):
        if term in sizes:
            factors[term] = whole / style * _CONTENT_GRADIENT / max(sizes[term], 1e-30)
    return weights.scaled(factors)


def _weights(weights: Weights, settings: Settings) -> Weights:
    factor = settings.content_weight * _content_factor(settings.strength)
    content = _shared(weights.content, settings.content_layers, factor)
    ssim = 0.0
    if settings.content_measure == "ssim":
        ssim = _SSIM * sum(weights.style.values()) * factor
        content = {}
    style = _shared(weights.style, settings.style_layers, settings.style_weight)
    return dataclasses.replace(
        weights, content=content, style=style, ssim=ssim, tv=weights.tv * settings.tv_weight * settings.style_weight
    )


def _shared(weights: Mapping[str, float], text: str, factor: float) -> dict[str, float]:
    """The sum of ``weights`` × ``factor``, shared out as ``text`` says or, without one, as they are."""
    shares = parse_layers(text) or weights
    whole = sum(weights.values()) * factor
    return {layer: whole * share / sum(shares.values()) for layer, share in shares.items()}


def _content_factor(strength: float) -> float:
    """How much the content counts at a strength of 0 to 100, relative to 50.

    With these exponents the content's features drift away from the photograph's about evenly with the strength, on the
    six pairs of content and style and the fifteen weights that they were fitted to, at 512 pixels.
    """
    style = min(max(strength / 100, 0.001), 1.0)
    return ((1 - style) / style) ** (2.4 if style < 0.5 else 1.4)


_POOLINGS: Mapping[str, vgg.Pooling] = {"max": "max", "average": "average"}

_FULL_STEPS = 25.0
"""Strength from which on Adam takes steps of its full learning rate, and a scale starts from the one before alone."""

_SSIM = 0.06
"""Weight of the structural dissimilarity relative to the style's, where it stands in for the content loss."""

_CONTENT_GRADIENT = 4.5
"""Where gradients are normalized, the size of the content's for each 1 of weight, relative to the style's."""

_TV = 0.2
"""Enough to take single bright pixels away and too little to blur a stroke."""

_BALANCED: Mapping[str, tuple[Measure, Mapping[str, float]]] = {
    # style-transfer-pytorch's 256:64:16:4:1 once each layer is measured relative to its own size; of relu5_1 that
    # leaves 0.0004, and nothing to see.
    "wasserstein": (style_losses.Wasserstein, {"relu1_1": 0.05, "relu2_1": 0.52, "relu3_1": 0.39, "relu4_1": 0.04}),
    "euclidean": (
        style_losses.RelativeEuclidean,
        {"relu1_1": 0.028, "relu2_1": 0.084, "relu3_1": 0.084, "relu4_1": 0.084},
    ),
    "mahalanobis": (style_losses.Mahalanobis, {"relu1_1": 0.03, "relu2_1": 0.09, "relu3_1": 0.09, "relu4_1": 0.09}),
}
"""Each measure with the weights of its layers, so that with all of them a picture's content features end about equally
far from the photograph's: Euclidean on six pairs, within a fifth; Mahalanobis by eye."""

_NORMAL = Recipe(
    style_measure="wasserstein",
    measure=style_losses.Wasserstein,
    weights=Weights(
        # More than style-transfer-pytorch's 0.007 at relu4_2 alone: a cat in Hokusai's waves has to stay a cat, and a
        # small face, which has only a few positions there, a face.
        content={CONTENT_LAYER: 0.02, "relu3_3": 0.01},
        style=_BALANCED["wasserstein"][1],
        tv=_TV,
        box=1e-7,
    ),
    border="replicate",
    coarsest=128,
    growth=math.sqrt(2),
    iterations=(40, 24),
    finishing=0,
    adds_detail=False,
    enlarge_style=2.0,
)

_QUALITIES: Mapping[str, Recipe] = {
    "draft": dataclasses.replace(_NORMAL, iterations=(24, 5), learning_rate=12.0),
    "normal": _NORMAL,
    "high": dataclasses.replace(_NORMAL, iterations=(300, 80)),
    # neural-style-pt at its defaults; it starts from noise and needs 1000 iterations.
    "gatys": Recipe(
        style_measure="euclidean",
        measure=style_losses.Euclidean,
        weights=Weights(
            content={CONTENT_LAYER: 5.0},
            style=dict.fromkeys(STYLE_LAYERS, 100.0),
            tv=1e-3,
            box=0.1,
            relative=False,
        ),
        border="zero",
        coarsest=128,
        growth=2,
        iterations=(30, 8),
        finishing=152,
        adds_detail=True,
        enlarge_style=math.inf,
        optimizer="lbfgs",
    ),
}
