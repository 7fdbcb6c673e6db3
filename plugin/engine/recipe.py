"""What each quality is made of."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from plugin.engine import statistics, vgg
from plugin.engine.objective import Weights
from plugin.settings import Settings

GATYS_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
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
    enlarge_style: bool
    """Whether a style picture may be enlarged beyond its own pixels to have the size of the picture."""

    def scales(self, size: int) -> list[Scale]:
        """The scales on the way to a working size."""
        steps = max(0, round(math.log(size / self.coarsest, self.growth)))
        first, last = self.iterations
        scales = []
        for step in range(steps + 1):
            iterations = round(first * (last / first) ** (step / max(1, steps)))
            scales.append(Scale(round(size / self.growth ** (steps - step)), iterations))
        return [*scales[:-1], Scale(size, scales[-1].iterations + self.finishing)]


def of(settings: Settings) -> Recipe:
    """The recipe of a quality, with the strength in its weights."""
    recipe = _QUALITIES[settings.quality]
    style = min(max(settings.strength / 100, 0.001), 1.0)
    content = recipe.weights.content * ((1 - style) / style) ** 1.5
    return dataclasses.replace(recipe, weights=dataclasses.replace(recipe.weights, content=content))


_NORMAL = Recipe(
    measure=statistics.Wasserstein,
    # style-transfer-pytorch's 256:64:16:4:1 once each layer is measured relative to its own size; of relu5_1 that
    # leaves 0.0004, and nothing to see. The content counts more than there (0.007): a cat in Hokusai's waves has to
    # stay a cat.
    weights=Weights(
        content=0.018,
        style={"relu1_1": 0.05, "relu2_1": 0.52, "relu3_1": 0.39, "relu4_1": 0.04},
        tv=0.0,
        box=1e-7,
    ),
    border="replicate",
    largest=1024,
    coarsest=128,
    growth=math.sqrt(2),
    iterations=(150, 40),
    finishing=0,
    adds_detail=False,
    enlarge_style=False,
)

_QUALITIES: Mapping[str, Recipe] = {
    "draft": dataclasses.replace(_NORMAL, largest=512, iterations=(60, 12)),
    "normal": _NORMAL,
    "high": dataclasses.replace(_NORMAL, largest=2048, iterations=(300, 80)),
    # neural-style-pt at its defaults; it starts from noise and needs 1000 iterations.
    "gatys": Recipe(
        measure=statistics.Euclidean,
        weights=Weights(content=5, style=dict.fromkeys(GATYS_LAYERS, 100.0), tv=1e-3, box=0.1, relative=False),
        border="zero",
        largest=512,
        coarsest=128,
        growth=2,
        iterations=(30, 8),
        finishing=72,
        adds_detail=True,
        enlarge_style=True,
    ),
}
