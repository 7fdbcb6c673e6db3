"""Loss and gradient of one picture at one scale.

L. A. Gatys, A. S. Ecker, M. Bethge, *Image Style Transfer Using Convolutional Neural Networks*, CVPR 2016, section 2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom
from torch import Tensor

from plugin.engine import pictures
from plugin.engine.machine.cuda_graphs import side_by_side
from plugin.engine.transfer import tiles
from plugin.engine.transfer.metrics import SSIM_MARGIN, structural_similarity
from plugin.engine.transfer.style_losses import MomentGradient, MomentSum, StyleMeasure, at_least_float32
from plugin.engine.transfer.tiles import Tile
from plugin.engine.transfer.vgg import VGG16, Trace, stride


@dataclass(frozen=True)
class Weights:
    """How much each part of the objective counts.

    ``relative`` takes the content loss as a part of the mean square of the content's own features, the total variation
    squared and per pixel, so that the same weights mean the same at any size and for any picture. Without it, both
    are what neural-style-pt computes: a mean square, and a sum of absolute differences in 0–255.
    """

    content: Mapping[str, float]
    """Of the squared difference of the feature maps, by layer."""
    style: Mapping[str, float]
    tv: float
    box: float
    ssim: float = 0.0
    """Of what the luminance lacks in structural similarity to the content's."""
    relative: bool = True

    def alone(self, term: str) -> Weights:
        """One term with weight 1 and nothing else; ``term`` is a key of :attr:`Evaluation.layers`."""
        kind, _, layer = term.partition(" ")
        return dataclasses.replace(
            self,
            content={name: float(kind == "content" and name == layer) for name in self.content},
            style={name: float(kind == "style" and name == layer) for name in self.style},
            tv=0.0,
            box=0.0,
            ssim=float(term == "content ssim"),
        )

    def scaled(self, factors: Mapping[str, float]) -> Weights:
        """Each term's weight times its factor; a term that is not named stays as it is."""
        return dataclasses.replace(
            self,
            content={name: weight * factors.get(f"content {name}", 1.0) for name, weight in self.content.items()},
            style={name: weight * factors.get(f"style {name}", 1.0) for name, weight in self.style.items()},
            ssim=self.ssim * factors.get("content ssim", 1.0),
        )


@dataclass(frozen=True)
class StyleTerm:
    """One style, and where in the picture it is wanted.

    ``measures`` gives the distance to its statistics for every style layer. ``guidance`` is H×W, how far each pixel
    belongs to it, 0 to 1 (Gatys et al. 2017, *Controlling Perceptual Factors in Neural Style Transfer*, section 4:
    the guided Gram matrix), or None for all of the picture. ``share`` is how much of the picture it has: so a pixel
    is drawn to its style equally strongly in a small region and in a large one.
    """

    measures: Mapping[str, StyleMeasure]
    share: float = 1.0
    guidance: Tensor | None = None


@dataclass(frozen=True)
class Evaluation:
    """The weighted parts of the objective at one picture, and the gradient of their sum in the picture's shape."""

    content: Tensor
    style: Tensor
    tv: Tensor
    gradient: Tensor
    layers: Mapping[str, Tensor] = field(default_factory=dict)
    """What ``content`` and ``style`` are made of: ``content relu4_2``, ``content ssim``, ``style relu1_1``, …"""

    @property
    def total(self) -> Tensor:
        return self.content + self.style + self.tv


class Objective:
    """Content loss, style loss and total variation, as one function of the picture.

    What is judged is the picture cut to 0–255, the one that will be delivered. Where a pixel lies outside, that loss
    has no gradient; a penalty on the squared distance to the range, ``Weights.box``, leads it back.

    Style statistics and content loss are sums over positions. So a picture that is too large for the memory is looked
    at in tiles, twice: once for the sums, and once more for the gradient when the sums are known.

    Args:
        network: with the content layers and the style layers among its own.
        content: 1×K×H×W, R'G'B' (K = 3) or grey (K = 1), 0–255.
        styles: at least one.
        visible: H×W, how much each pixel counts, 0 to 1; None where all are opaque.
        pieces: the picture in tiles; None for as a whole.
    """

    def __init__(
        self,
        network: VGG16,
        content: Tensor,
        styles: Sequence[StyleTerm],
        weights: Weights,
        visible: Tensor | None = None,
        pieces: Sequence[Tile] | None = None,
    ) -> None:
        self._network, self._styles, self.weights = network, styles, weights
        self._device = content.device
        self._wraps = network.border == "circular"
        self._tiles = pieces or tiles.whole(*content.shape[-2:])
        self._visible = _at_layers(visible, weights.content)
        self._guidance = [_at_layers(_both(term.guidance, visible), weights.style) for term in styles]
        self._luma = self._framed(_luma(content)) if weights.ssim else None
        self._pixel_weights = self._framed(visible[None, None])[0, 0] if weights.ssim and visible is not None else None
        self._targets = [
            {layer: tile.own(features[layer], layer).clone() for layer in weights.content}
            for tile, features in (
                (tile, network.features(tile.cut(content).expand(1, 3, -1, -1))) for tile in self._tiles
            )
        ]
        self._content_scales = {layer: 1 / self._energy(layer) for layer in weights.content}

    def _energy(self, layer: str) -> float:
        """What the content loss of a layer is divided by: the number of elements, and their mean square."""
        height, width = (side // stride(layer) for side in self._size_of_picture())
        squares = [float(at_least_float32(targets[layer]).square().sum()) for targets in self._targets]
        elements = self._targets[0][layer].shape[1] * height * width
        return max(sum(squares), 1e-12 * elements) if self.weights.relative else float(elements)

    def _size_of_picture(self) -> tuple[int, int]:
        return self._tiles[0].rows.length, self._tiles[0].columns.length

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at a picture, 1×K×H×W."""
        inside = image.clamp(0, 255)
        sums, trace = self._moments(inside)
        layers, slopes = self._style_loss(sums)
        gradient = torch.zeros_like(inside)
        for tile, targets in zip(self._tiles, self._targets, strict=True):
            if trace is None or len(self._tiles) > 1:
                trace = self._network.forward(tile.cut(inside).expand(1, 3, -1, -1))
            gradients = self._style_gradients(tile, trace, slopes)
            for layer, loss in self._content_loss(tile, trace, targets, gradients).items():
                layers[layer] = layers[layer] + loss if layer in layers else loss
            part = at_least_float32(self._network.backward(trace, gradients))
            tile.add(gradient, part.sum(1, keepdim=True) if image.shape[1] == 1 else part)
        if self._luma is not None:
            layers["content ssim"], of_ssim = self._dissimilarity(inside)
            gradient += of_ssim
        tv = self._total_variation(inside, gradient)
        outside = inside.neg_().add_(image)  # in its place: at 24 megapixels every picture more is 288 MB
        gradient.mul_(outside == 0).add_(outside, alpha=2 * self.weights.box)
        content, style = (_sum(layers, kind, image) for kind in ("content", "style"))
        return Evaluation(content, style, tv, gradient, layers)

    def gradient_sizes(self, image: Tensor) -> dict[str, float]:
        """The root mean square of each term's own gradient, unweighted, by the names of :attr:`Evaluation.layers`."""
        own, sizes = self.weights, {}
        try:
            for term in self(image).layers:
                self.weights = own.alone(term)
                sizes[term] = float(self(image).gradient.square().mean().sqrt())
        finally:
            self.weights = own
        return sizes

    def _moments(self, inside: Tensor) -> tuple[list[dict[str, MomentSum]], Trace | None]:
        """The sums of every style term at every layer, and the forward pass they come from if it was only one."""
        # Styles that are blended look at the same part of the picture: it is summed up once.
        first = [[other.guidance is term.guidance for other in self._styles].index(True) for term in self._styles]
        sums = [{layer: MomentSum() for layer in self.weights.style} for _ in self._styles]
        trace = None
        for tile in self._tiles:
            image = tile.cut(inside).expand(1, 3, -1, -1)
            if len(self._tiles) == 1:
                trace = self._network.forward(image)
                features: Mapping[str, Tensor] = trace.features
            else:
                features = self._network.features(image)
            for layer in self.weights.style:
                own = tile.own(features[layer], layer)
                for number in set(first):
                    guidance = self._guidance[number].get(layer)
                    sums[number][layer].add(own, None if guidance is None else tile.place(guidance, layer))
        return [sums[number] for number in first], trace

    def _style_loss(
        self, sums: Sequence[Mapping[str, MomentSum]]
    ) -> tuple[dict[str, Tensor], list[dict[str, tuple[MomentGradient, Tensor | float]]]]:
        """Weight × share × distance by layer; and for each term and layer its slope and the weight of all positions."""
        work = [
            (number, layer, measure)
            for number, term in enumerate(self._styles)
            for layer, measure in term.measures.items()
        ]
        found = side_by_side(
            [partial(_distance, measure, sums[number][layer]) for number, layer, measure in work],
            self._device,
        )
        layers: dict[str, Tensor] = {}
        slopes: list[dict[str, tuple[MomentGradient, Tensor | float]]] = [{} for _ in self._styles]
        for (number, layer, _), (loss, slope) in zip(work, found, strict=True):
            weight = self.weights.style[layer] * self._styles[number].share
            name = f"style {layer}"
            layers[name] = layers[name] + weight * loss if name in layers else weight * loss
            slopes[number][layer] = (slope.scaled(weight), sums[number][layer].weight)
        return layers, slopes

    def _style_gradients(
        self,
        tile: Tile,
        trace: Trace,
        slopes: Sequence[Mapping[str, tuple[MomentGradient, Tensor | float]]],
    ) -> dict[str, Tensor]:
        """The gradient of the style loss with respect to a tile's feature maps, by layer."""
        gradients: dict[str, Tensor] = {}
        for number, term in enumerate(slopes):
            for layer, (slope, total) in term.items():
                features = trace.features[layer]
                guidance = self._guidance[number].get(layer)
                if guidance is not None:
                    guidance = tile.place(guidance, layer)
                gradient = slope.of_features(tile.own(features, layer), guidance, total)
                _add_own(gradients, tile, layer, features, gradient)
        return gradients

    def _content_loss(
        self, tile: Tile, trace: Trace, targets: Mapping[str, Tensor], gradients: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Weight × squared difference of the features (section 2.1) by layer; adds its gradient to ``gradients``."""
        losses = {}
        for layer, target in targets.items():
            features = trace.features[layer]
            difference = tile.own(features, layer) - target
            scale = self.weights.content[layer] * self._content_scales[layer]
            weighted = difference
            if layer in self._visible:
                weighted = difference * tile.place(self._visible[layer], layer).to(difference.dtype)
            losses[f"content {layer}"] = scale * (at_least_float32(weighted) * difference).sum()
            _add_own(gradients, tile, layer, features, weighted * (2 * scale))
        deepest = self._network.layers[-1]
        if deepest not in gradients:
            gradients[deepest] = torch.zeros_like(trace.features[deepest])
        return losses

    def _dissimilarity(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Weight × (1 − SSIM of the luminance), and its gradient."""
        assert self._luma is not None
        with torch.enable_grad():
            leaf = image.detach().requires_grad_()
            similarity = structural_similarity(self._framed(_luma(leaf)), self._luma, self._pixel_weights)
            loss = self.weights.ssim * (1 - similarity)
            (gradient,) = torch.autograd.grad(loss, leaf)
        return loss.detach(), gradient

    def _framed(self, image: Tensor) -> Tensor:
        """With a margin as wide as half a window, so that pixels at the edge count in as many windows as others."""
        return F.pad(image, (SSIM_MARGIN,) * 4, "circular" if self._wraps else "replicate")

    def _total_variation(self, image: Tensor, gradient: Tensor) -> Tensor:
        """Weight × differences between neighbours; adds its gradient to ``gradient``."""
        loss = image.new_zeros(())
        for axis in (2, 3):
            length = image.shape[axis]
            # From each row or column to the next; where the picture wraps, from the last one to the first as well.
            steps = [(range(length - 1), range(1, length))]
            if self._wraps:
                steps.append((range(length - 1, length), range(1)))
            for here, there in steps:
                difference = _part(image, axis, there) - _part(image, axis, here)
                if self.weights.relative:
                    scale = self.weights.tv / (image.numel() * 255**2)
                    loss = loss + scale * torch.linalg.vector_norm(difference).square()
                    factor = 2 * scale
                else:
                    loss = loss + self.weights.tv * torch.linalg.vector_norm(difference, 1)
                    difference.sign_()
                    factor = self.weights.tv
                _part(gradient, axis, there).add_(difference, alpha=factor)
                _part(gradient, axis, here).sub_(difference, alpha=factor)
        return loss


def _part(image: Tensor, axis: int, places: range) -> Tensor:
    return image.narrow(axis, places.start, len(places))


def shrink(mask: Tensor, layer: str) -> Tensor:
    """A mask, H×W, at the size of a feature map, whose pools leave out odd rows and columns."""
    return F.avg_pool2d(mask[None, None], stride(layer))[0, 0] if stride(layer) > 1 else mask


def _distance(measure: StyleMeasure, moments: MomentSum) -> tuple[Tensor, MomentGradient]:
    return measure(moments.moments())


def _at_layers(mask: Tensor | None, layers: Mapping[str, float]) -> dict[str, Tensor]:
    return {} if mask is None else {layer: shrink(mask, layer) for layer in layers}


def _both(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return other if one is None else one if other is None else one * other


def _add_own(gradients: dict[str, Tensor], tile: Tile, layer: str, features: Tensor, gradient: Tensor) -> None:
    """Add the gradient of what a tile owns of a feature map; what it only sees has none."""
    if layer in gradients:
        tile.own(gradients[layer], layer).add_(gradient)
    elif gradient.shape == features.shape:
        gradients[layer] = gradient
    else:
        gradients[layer] = torch.zeros_like(features)
        tile.own(gradients[layer], layer).copy_(gradient)


def _luma(image: Tensor) -> Tensor:
    return pictures.luma(image[0])[None] if image.shape[1] == 3 else image


def _sum(layers: Mapping[str, Tensor], kind: str, like: Tensor) -> Tensor:
    parts = [loss for name, loss in layers.items() if name.startswith(kind)]
    return torch.stack(parts).sum() if parts else like.new_zeros(())
