"""neural-style's own objective, by which its pictures and the engine's are judged."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812  torch's own idiom
from torch import Tensor

from plugin.engine import pictures
from plugin.engine.transfer import vgg
from plugin.engine.transfer.style_losses import Euclidean, Moments

_CONTENT_LAYER, _STYLE_LAYERS = "relu4_2", ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
_CONTENT_WEIGHT, _STYLE_WEIGHT, _TV_WEIGHT = 5.0, 100.0, 1e-3
"""Its defaults."""

_UNITS = 256 / 255
"""It takes a picture's white, 255, for 256."""


class Judge:
    """The loss of any picture beside a content and a style, in float32 on the processor.

    Args:
        content, style: 3×H×W or 4×H×W R'G'B'A, 0 to 1; alpha is not looked at, as neural-style does not.
        size: the long side to which it brings them both. Where they have it already there is nothing that its way of
            resizing and the engine's could differ in.
    """

    def __init__(self, content: Tensor, style: Tensor, size: int) -> None:
        self._network = vgg.VGG16((*_STYLE_LAYERS, _CONTENT_LAYER))
        content, style = _sized(content, size), _sized(style, size)
        features = self._network.features(style)
        self._measures = {layer: Euclidean(Moments.of(features[layer])) for layer in _STYLE_LAYERS}
        self._target = self._network.features(content)[_CONTENT_LAYER]
        self._size = content.shape[-2:]

    def delivered(self, picture: Tensor) -> float:
        """The loss of a picture, 3×H×W in 0–255, when it has 8 bits."""
        return self._loss(self._fitting(picture).round().clamp(0, 255))

    def loss(self, picture: Tensor) -> float:
        """The loss of a picture, 3×H×W in 0–255, as it is."""
        return self._loss(self._fitting(picture))

    def _fitting(self, picture: Tensor) -> Tensor:
        height, width = self._size
        return pictures.resize(picture, width, height)

    def _loss(self, picture: Tensor) -> float:
        image = picture[None] * _UNITS
        features = self._network.features(image)
        content = F.mse_loss(features[_CONTENT_LAYER], self._target)
        style = sum(measure(Moments.of(features[layer]))[0] for layer, measure in self._measures.items())
        variation = sum(image.diff(dim=axis).abs().sum() for axis in (2, 3))
        return float(_CONTENT_WEIGHT * content + _STYLE_WEIGHT * style + _TV_WEIGHT * variation)


def _sized(picture: Tensor, long_side: int) -> Tensor:
    """A picture, 0 to 1, as 1×3×H×W in neural-style's units."""
    width, height = pictures.fit(picture.shape[-1], picture.shape[-2], long_side)
    return pictures.resize(picture[:3], width, height).clamp(0, 1)[None] * 255 * _UNITS
