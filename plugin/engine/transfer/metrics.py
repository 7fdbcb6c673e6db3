"""How like a picture is to its content and to its style, in figures that mean the same however it was painted.

The objective's own loss depends on the recipe; these figures do not, so they can be compared between settings,
optimizers and programs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from plugin.engine import pictures
from plugin.engine.transfer.style_losses import Moments, at_least_float32
from plugin.engine.transfer.vgg import VGG16

CONTENT_LAYER = "relu4_2"
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
LAYERS = (*STYLE_LAYERS, CONTENT_LAYER)
"""What the network of a :class:`Likeness` has to have."""

LONG_SIDE = 512
"""Pixels. Larger pictures are made as small as this before they are compared."""

_WINDOW, _SIGMA = 11, 1.5
SSIM_MARGIN = _WINDOW // 2
"""Pixels along each edge that are the center of no window."""

_K1, _K2 = 0.01, 0.03
_DATA_RANGE = 255

_RIDGE = 0.1
"""Of the mean variance; less than :class:`plugin.engine.transfer.style_losses.Mahalanobis` needs, which is to paint
with it."""


def structural_similarity(one: Tensor, other: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean structural similarity (SSIM) of two pictures; it can be differentiated with respect to both.

    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, *Image Quality Assessment: From Error Visibility to Structural
    Similarity*, IEEE Transactions on Image Processing 13(4), 2004, section III: the statistics of an 11 × 11 Gaussian
    window with σ = 1.5, K1 = 0.01, K2 = 0.03, the mean over all windows that lie inside the picture. Where the picture
    has fewer than 11 pixels along a side the window has as few.

    Args:
        one: 1×1×H×W luma in 0–255, float32 or float64.
        other: the same, of the same size.
        weights: H×W, how much each pixel counts, 0 to 1, inside the windows too, so that pixels at 0 change nothing;
            None counts all alike.

    Returns:
        A number from −1 to 1; 1 where the pictures are equal.
    """
    one, other = at_least_float32(one), at_least_float32(other)
    both = torch.cat([one, other, one * one, other * other, one * other], dim=1)
    if weights is None:
        means = _in_windows(both)
        seen = torch.ones_like(means[:, :1])
    else:
        pixels = weights.to(one.dtype)[None, None]
        seen = _in_windows(pixels)
        means = _in_windows(both * pixels) / seen.clamp_min(1e-6)
    mean_one, mean_other, square_one, square_other, product = means.split(1, dim=1)
    variances = square_one - mean_one.square() + square_other - mean_other.square()
    covariance = product - mean_one * mean_other
    c1, c2 = (_K1 * _DATA_RANGE) ** 2, (_K2 * _DATA_RANGE) ** 2
    luminance = (2 * mean_one * mean_other + c1) / (mean_one.square() + mean_other.square() + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    return (luminance * structure * seen).sum() / seen.sum().clamp_min(1e-6)


def _in_windows(stack: Tensor) -> Tensor:
    """The Gaussian mean of every window that lies inside, 1×K×H×W.

    In shifted sums rather than a convolution: NVIDIA's convolutions round float32 to TF32, too coarse for a variance
    that is a difference of squares.
    """
    for dim in (2, 3):
        size = min(_WINDOW, stack.shape[dim])
        inside = stack.shape[dim] - size + 1
        shares = [math.exp(-(((place - (size - 1) / 2) / _SIGMA) ** 2) / 2) for place in range(size)]
        mean = torch.zeros_like(stack.narrow(dim, 0, inside))
        for place, share in enumerate(shares):
            mean = mean.add(stack.narrow(dim, place, inside), alpha=share / sum(shares))
        stack = mean
    return stack


def mahalanobis(differences: Tensor, covariance: Tensor) -> float:
    """How large differences are, measured in standard deviations along each principal axis of a distribution.

    √(mean of dᵀ Σ⁻¹ d / C), after P. C. Mahalanobis, *On the Generalized Distance in Statistics*, 1936: about 1 where
    the differences are as large as the distribution is wide. Σ is singular where the distribution was seen at fewer
    places than it has dimensions, and where a channel is never active; so a tenth of its mean variance is added along
    every axis, Σ + 0.1 (tr Σ / C) I, and directions in which there is next to nothing do not count for everything.

    Args:
        differences: N×C.
        covariance: C×C.
    """
    # In double precision on the CPU: not every GPU has that.
    rows, spread = differences.cpu().double(), covariance.cpu().double()
    channels = len(spread)
    # The last addend matters only where there is no variance at all.
    ridge = _RIDGE * float(spread.trace()) / channels + 1e-12
    root = torch.linalg.cholesky(spread + ridge * torch.eye(channels, dtype=spread.dtype))
    whitened = torch.linalg.solve_triangular(root, rows.T, upper=False)
    return float(whitened.square().sum() / rows.numel()) ** 0.5


class Likeness:
    """How like pictures are to one content picture and to one or several style pictures.

    Told once what to compare with, it is called with as many pictures as there are. The content is made as small as
    :data:`LONG_SIDE`, every picture that it is compared with as small as the content; a style as small as these or left
    at its own size where that is smaller. All are 1×3×H×W R'G'B' in 0–255, and opaque, on any device; only what is made
    small of them goes to the network's.

    Args:
        content: the content picture.
        styles: the style pictures, at least one, of any sizes.
        network: with :data:`LAYERS` among its own. Its precision limits that of the figures: give it float32.
        style_weights: one for each style, not negative, not all 0; the figures of the styles are averaged with these.
            None counts all alike.
    """

    def __init__(
        self, content: Tensor, styles: Sequence[Tensor], network: VGG16, style_weights: Sequence[float] | None = None
    ) -> None:
        height, width = content.shape[-2:]
        self._width, self._height = pictures.fit(width, height, min(LONG_SIDE, max(width, height)))
        self._network = network
        self._weights = [1.0] * len(styles) if style_weights is None else list(style_weights)
        small = self._small(content)
        self._content = at_least_float32(network.features(small)[CONTENT_LAYER])
        self._content_covariance = _covariance(self._content)
        self._content_luma = _luma(small)
        self._styles = [self._style(style) for style in styles]

    def __call__(self, picture: Tensor) -> dict[str, dict[str, float]]:
        """Compare a picture of the content's proportions, 1×3×H×W R'G'B' in 0–255.

        Returns:
            ``{"content": {"euclidean", "mahalanobis", "ssim"}, "style": {"euclidean", "mahalanobis", "ssim"}}``, with F
            and G the feature maps and Gram matrices of the picture, P and A those that it is compared with:

            - content euclidean: ‖F − P‖ / ‖P‖ at relu4_2, the root of Gatys et al. 2016, equation 1, relative to the
              content's own size; 0 where they are equal.
            - content mahalanobis: :func:`mahalanobis` of F − P over the positions of relu4_2 in the covariance of P.
            - content ssim: :func:`structural_similarity` of the luma.
            - style euclidean: the mean over relu1_1 to relu5_1 of ‖G − A‖ / ‖A‖, each Gram matrix divided by its
              number of positions (Gatys et al. 2016, equation 4, each layer relative to the style's own size).
            - style mahalanobis: the mean over the same layers of :func:`mahalanobis` of the difference of the mean
              features in the style's covariance.
            - style ssim: of the luma, with the style picture made to cover the picture and cropped around its middle.
              The two have no places in common, so it is near 0 for a good painting and a bad one alike; it is there for
              completeness.
        """
        small = self._small(picture)
        features = self._network.features(small)
        difference = at_least_float32(features[CONTENT_LAYER]) - self._content
        luma = _luma(small)
        content = {
            "euclidean": float(difference.norm() / self._content.norm().clamp_min(1e-12)),
            "mahalanobis": mahalanobis(difference[0].flatten(1).T, self._content_covariance),
            "ssim": float(structural_similarity(luma, self._content_luma)),
        }
        moments = {layer: Moments.of(features[layer]) for layer in STYLE_LAYERS}
        of_styles = [style.compare(moments, luma) for style in self._styles]
        style = {
            name: sum(weight * figures[name] for weight, figures in zip(self._weights, of_styles)) / sum(self._weights)
            for name in content
        }
        return {"content": content, "style": style}

    def _small(self, picture: Tensor) -> Tensor:
        return _resize(picture, self._width, self._height).to(self._network.device)

    def _style(self, picture: Tensor) -> _Style:
        height, width = picture.shape[-2:]
        small = _resize(picture, *pictures.fit(width, height, min(max(self._width, self._height), max(width, height))))
        features = self._network.features(small.to(self._network.device))
        return _Style(
            {layer: Moments.of(features[layer]) for layer in STYLE_LAYERS},
            {layer: _covariance(features[layer]) for layer in STYLE_LAYERS},
            _luma(_cover(picture, self._width, self._height)).to(self._network.device),
        )


@dataclass(frozen=True)
class _Style:
    """What a picture is compared with: a style's statistics at each layer, and its luma at the picture's size."""

    moments: dict[str, Moments]
    covariances: dict[str, Tensor]
    luma: Tensor

    def compare(self, moments: dict[str, Moments], luma: Tensor) -> dict[str, float]:
        euclidean, in_deviations = 0.0, 0.0
        for layer, own in self.moments.items():
            theirs = moments[layer]
            euclidean += float((theirs.second - own.second).norm() / own.second.norm().clamp_min(1e-12))
            in_deviations += mahalanobis((theirs.mean - own.mean)[None], self.covariances[layer])
        return {
            "euclidean": euclidean / len(self.moments),
            "mahalanobis": in_deviations / len(self.moments),
            "ssim": float(structural_similarity(luma, self.luma)),
        }


def _covariance(features: Tensor) -> Tensor:
    """C×C, of 1×C×H×W over its positions.

    Not from the raw moments: where features hardly vary, what rounding leaves of their difference is no covariance.
    """
    rows = at_least_float32(features[0].flatten(1))
    centred = rows - rows.mean(1, keepdim=True)
    return centred @ centred.T / rows.shape[1]


def _resize(picture: Tensor, width: int, height: int) -> Tensor:
    """1×3×H×W at another size, without what cubic interpolation overshoots."""
    return pictures.resize(picture[0], width, height)[None].clamp(0, 255)


def _cover(picture: Tensor, width: int, height: int) -> Tensor:
    """A picture made just large or small enough to cover a size, and cropped to it around its middle."""
    own_height, own_width = picture.shape[-2:]
    factor = max(width / own_width, height / own_height)
    large = _resize(picture, max(width, round(own_width * factor)), max(height, round(own_height * factor)))
    top, left = (large.shape[-2] - height) // 2, (large.shape[-1] - width) // 2
    return large[..., top : top + height, left : left + width]


def _luma(picture: Tensor) -> Tensor:
    """1×1×H×W of 1×3×H×W."""
    return pictures.luma(picture[0])[None]
