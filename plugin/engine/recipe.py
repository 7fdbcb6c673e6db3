"""What each quality is made of."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from plugin.engine import statistics, vgg
from plugin.engine.objective import Weights
from plugin.settings import Settings

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_2"


@dataclass(frozen=True)
class Scale:
    """One step of coarse-to-fine: the long side in pixels, and how many iterations it gets."""

    size: int
    iterations: int


@dataclass(frozen=True)
class Recipe:
    """Everything about how a picture is made that is not in the pictures."""

    measure: Callable[[statistics.Moments], statistics.StyleMeasure]
    weights: Weights
    border: vgg.Border
    largest: int
    """Long side to work at where the settings leave it open; a smaller picture is worked at its own size."""
    coarsest: int
    """Long side of the first scale; the following ones are √2 larger each, up to the working size."""
    iterations: tuple[int, int]
    """At the first scale and at the last; geometrically between them."""
    enlarge_style: bool
    """Whether a style picture may be enlarged beyond its own pixels to have the size of the picture."""

    def scales(self, size: int) -> list[Scale]:
        """The scales on the way to a working size."""
        count = max(1, 1 + round(2 * math.log2(size / self.coarsest)))
        first, last = self.iterations
        if count == 1:
            return [Scale(size, first)]
        return [
            Scale(round(size * 2 ** ((step - count + 1) / 2)), round(first * (last / first) ** (step / (count - 1))))
            for step in range(count)
        ]


def of(settings: Settings) -> Recipe:
    """The recipe of a quality, with the strength in its weights."""
    recipe = _QUALITIES[settings.quality]
    style = min(max(settings.strength / 100, 0.001), 1.0)
    content = recipe.weights.content * ((1 - style) / style) ** 1.5
    return dataclasses.replace(recipe, weights=dataclasses.replace(recipe.weights, content=content))


def _style_weights(*weights: float) -> Mapping[str, float]:
    return {layer: weight / sum(weights) for layer, weight in zip(STYLE_LAYERS, weights)}


_NORMAL = Recipe(
    measure=statistics.Wasserstein,
    weights=Weights(content=0.02, style=_style_weights(256, 64, 16, 4, 1), tv=0.05, box=1e-7),
    border="replicate",
    largest=1024,
    coarsest=128,
    iterations=(150, 40),
    enlarge_style=False,
)

_QUALITIES: Mapping[str, Recipe] = {
    "draft": dataclasses.replace(_NORMAL, largest=512, iterations=(60, 12)),
    "normal": _NORMAL,
    "high": dataclasses.replace(_NORMAL, largest=2048, iterations=(300, 80)),
    # neural-style-pt at its defaults; it starts from noise and needs 1000 iterations.
    "gatys": Recipe(
        measure=statistics.Euclidean,
        weights=Weights(content=5, style=dict.fromkeys(STYLE_LAYERS, 100.0), tv=1e-3, box=0.1, relative=False),
        border="zero",
        largest=512,
        coarsest=128,
        iterations=(60, 100),
        enlarge_style=True,
    ),
}
