"""Loss and gradient of one picture at one scale.

L. A. Gatys, A. S. Ecker, M. Bethge, *Image Style Transfer Using Convolutional Neural Networks*, CVPR 2016, section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom
from torch import Tensor

from plugin.engine.statistics import Moments, StyleMeasure, at_least_float32
from plugin.engine.vgg import VGG16, stride


@dataclass(frozen=True)
class Weights:
    """How much each part of the objective counts.

    ``relative`` takes the content loss as a part of the mean square of the content's own features, the total variation
    squared and per pixel, so that the same weights mean the same at any size and for any picture. Without it, both
    are what neural-style-pt computes: a mean square, and a sum of absolute differences in 0–255.
    """

    content: float
    style: Mapping[str, float]
    tv: float
    box: float
    relative: bool = True


@dataclass(frozen=True)
class Evaluation:
    """The weighted parts of the objective at one picture, and the gradient of their sum in the picture's shape."""

    content: Tensor
    style: Tensor
    tv: Tensor
    gradient: Tensor

    @property
    def total(self) -> Tensor:
        return self.content + self.style + self.tv


class Objective:
    """Content loss, style loss and total variation, as one function of the picture.

    What is judged is the picture cut to 0–255, the one that will be delivered. Where a pixel lies outside, that loss
    has no gradient; a penalty on the squared distance to the range, ``Weights.box``, leads it back.

    Args:
        network: with the content layer and the style layers among its own.
        content_layer: where the content loss is taken, ``relu4_2`` in the paper.
        content: 1×K×H×W, R'G'B' (K = 3) or grey (K = 1), 0–255.
        styles: for each style layer the distance to the style's statistics there.
        visible: H×W, how much each pixel counts, 0 to 1; None where all are opaque.
    """

    def __init__(
        self,
        network: VGG16,
        content_layer: str,
        content: Tensor,
        styles: Mapping[str, StyleMeasure],
        weights: Weights,
        visible: Tensor | None = None,
    ) -> None:
        self._network, self._content_layer, self._styles, self._weights = network, content_layer, styles, weights
        self._visible = {} if visible is None else {layer: shrink(visible, layer) for layer in network.layers}
        self._target = network.features(content.expand(1, 3, -1, -1))[content_layer]
        energy = float(at_least_float32(self._target).square().mean()) if weights.relative else 1.0
        self._content_scale = weights.content / max(energy, 1e-12)

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at a picture, 1×K×H×W."""
        inside = image.clamp(0, 255)
        trace = self._network.forward(inside.expand(1, 3, -1, -1))
        style, gradients = self._style_loss(trace.features)
        content, of_content = self._content_loss(trace.features[self._content_layer])
        if self._content_layer in gradients:
            of_content += gradients[self._content_layer]
        gradients[self._content_layer] = of_content
        gradient = at_least_float32(self._network.backward(trace, gradients))
        if image.shape[1] == 1:
            gradient = gradient.sum(1, keepdim=True)
        tv, of_tv = self._total_variation(inside)
        gradient = (gradient + of_tv) * (image == inside)
        gradient.add_(image - inside, alpha=2 * self._weights.box)
        return Evaluation(content, style, tv, gradient)

    def _style_loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Σ over layers of weight × distance, and its gradient with respect to each layer's features."""
        losses, gradients = [], {}
        for layer, measure in self._styles.items():
            visible, weight = self._visible.get(layer), self._weights.style[layer]
            loss, of_moments = measure(Moments.of(features[layer], visible))
            losses.append(weight * loss)
            gradients[layer] = of_moments.of_features(features[layer], visible).mul_(weight)
        return torch.stack(losses).sum(), gradients

    def _content_loss(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Weight × mean squared difference of the features (section 2.1), and its gradient."""
        difference = features - self._target
        scale = self._content_scale / difference.numel()
        visible = self._visible.get(self._content_layer)
        if visible is None:
            return scale * at_least_float32(difference).square().sum(), difference * (2 * scale)
        weighted = difference * visible.to(difference.dtype)
        return scale * (at_least_float32(weighted) * difference).sum(), weighted * (2 * scale)

    def _total_variation(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Weight × differences between neighbours, and its gradient."""
        down, right = image.diff(dim=2), image.diff(dim=3)
        if self._weights.relative:
            scale = self._weights.tv / (image.numel() * 255**2)
            loss = scale * (down.square().sum() + right.square().sum())
            down, right = down.mul_(2 * scale), right.mul_(2 * scale)
        else:
            scale = self._weights.tv
            loss = scale * (down.abs().sum() + right.abs().sum())
            down, right = down.sign_().mul_(scale), right.sign_().mul_(scale)
        gradient = F.pad(down, (0, 0, 1, 0)) - F.pad(down, (0, 0, 0, 1))
        gradient += F.pad(right, (1, 0)) - F.pad(right, (0, 1))
        return loss, gradient


def shrink(visible: Tensor, layer: str) -> Tensor:
    """A mask, H×W, at the size of a feature map, whose pools leave out odd rows and columns."""
    return F.avg_pool2d(visible[None, None], stride(layer))[0, 0] if stride(layer) > 1 else visible
