"""What a style is: the statistics of its feature maps, and how far others are from them.

Every measure here is a function of the first two moments of a feature map over its positions. Moments are sums over
positions, so a picture may be seen whole, in tiles or through a mask; and the gradient with respect to the features is,
for every measure, a matrix product with the gradients of the moments. So a measure is a few lines on small matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """The first two raw moments of a feature map over its positions.

    ``mean`` is C, ``second`` is C×C: the mean over positions of the outer product of the features with themselves,
    which is the Gram matrix of Gatys et al. 2016 (section 2.2) divided by the number of positions. Both are float32 or
    better.
    """

    mean: Tensor
    second: Tensor
    few: Tensor | None = None
    """Where positions are fewer than channels, the centred features themselves: their product with themselves,
    channels × channels, is the covariance, and its eigenvalues are to be had from positions × positions."""

    @staticmethod
    def of(features: Tensor, weights: Tensor | None = None) -> Moments:
        """The moments of a feature map.

        Args:
            features: 1×C×H×W.
            weights: how much each position counts, H×W, not negative, not all zero; None counts all alike.
        """
        rows = at_least_float32(_rows(features))
        positions, channels = rows.shape
        share = 1 / positions if weights is None else weights.reshape(-1, 1) / weights.sum()
        mean = (rows * share).sum(0)
        second = rows.T @ rows * share if weights is None else (rows * share).T @ rows
        few = (rows - mean) * share**0.5 if positions < channels else None
        return Moments(mean, second, few)


@dataclass(frozen=True)
class MomentGradient:
    """The gradient of a number with respect to the two moments; ``second`` is symmetric."""

    mean: Tensor
    second: Tensor

    def of_features(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """The gradient with respect to the feature map that the moments were taken of, in its shape and dtype."""
        rows = _rows(features)
        slope = (2 * self.second).to(rows.dtype)
        offset = self.mean.to(rows.dtype)
        if weights is None:
            gradient = torch.addmm(offset / len(rows), rows, slope, alpha=1 / len(rows))
        else:
            share = (weights.reshape(-1, 1) / weights.sum()).to(rows.dtype)
            gradient = torch.addmm(offset, rows, slope).mul_(share)
        _, channels, height, width = features.shape
        return gradient.view(1, height, width, channels).permute(0, 3, 1, 2)


class StyleMeasure(Protocol):
    """How far moments are from those of a style: a number that is 0 when they agree, and its gradient."""

    def __call__(self, moments: Moments) -> tuple[Tensor, MomentGradient]: ...


class Euclidean:
    """Mean squared difference of the Gram matrices (Gatys et al. 2016, section 2.2).

    Each Gram matrix is divided by its feature map's number of elements, as neural-style-pt does: by C besides the
    positions that the moments are divided by already.
    """

    def __init__(self, style: Moments) -> None:
        self._target = style.second

    def __call__(self, moments: Moments) -> tuple[Tensor, MomentGradient]:
        channels = len(moments.mean)
        difference = (moments.second - self._target) / channels
        gradient = difference * (2 / channels**3)
        return difference.square().mean(), MomentGradient(torch.zeros_like(moments.mean), gradient)


class Wasserstein:
    """Squared 2-Wasserstein distance between two Gaussians, relative to the style's own spread.

    |μ − μ'|² + tr(Σ + Σ' − 2 (Σ'^½ Σ Σ'^½)^½); the gradient with respect to Σ is the identity minus the optimal
    transport map from the picture's Gaussian to the style's (Takatsu 2011, *Wasserstein geometry of Gaussian
    measures*). It is divided by E|f|² of the style's features, so that it means the same for every layer and style.

    Where the picture has next to no variance the map would be infinite. So the eigenvalues m of Σ'^½ Σ Σ'^½ count with
    √(m + δ) − √δ, and those of Σ' are raised just so much that the distance still has its minimum at the style's own Σ.

    The small matrices are taken in double precision: what float32 makes of their smallest eigenvalues, L-BFGS takes
    for curvature.
    """

    _FLOOR = 1e-2
    """√δ as a part of the style's mean variance."""

    def __init__(self, style: Moments) -> None:
        self._mean, covariance = style.mean.double(), _covariance(style)
        self._energy = float(style.second.trace())
        self._floor = self._FLOOR * float(covariance.trace()) / len(covariance) + 1e-12
        values, vectors = _eigh(covariance)
        values = values.clamp_min(0)
        raised = (values + (values.square() + 4 * self._floor**2).sqrt()) / 2
        self._root = (vectors * raised.sqrt()) @ vectors.T
        self._at_style = values.sum() - 2 * (raised - self._floor).sum()

    def __call__(self, moments: Moments) -> tuple[Tensor, MomentGradient]:
        mean = moments.mean.double()
        if moments.few is None:
            covariance = _covariance(moments)
            trace = covariance.trace()
            values, vectors = _eigh(self._root @ covariance @ self._root)
            across = vectors.T @ self._root
        else:
            rows = moments.few.double()
            trace = rows.square().sum()
            seen = rows @ self._root
            values, vectors = _eigh(seen @ seen.T)
            # The eigenvectors on the channels' side; one with next to no eigenvalue has next to no part in the picture.
            across = (
                vectors.T @ seen @ self._root * values.clamp_min(1e-10 * float(values[-1]) + 1e-30).rsqrt()[:, None]
            )
        roots = (values.clamp_min(0) + self._floor**2).sqrt()
        transport = across.T @ (across / roots[:, None])
        apart = mean - self._mean
        distance = apart.square().sum() + trace - 2 * (roots - self._floor).sum() - self._at_style
        of_covariance = -transport / self._energy
        of_covariance.diagonal().add_(1 / self._energy)
        of_mean = 2 * (apart / self._energy - of_covariance @ mean)
        dtype = moments.mean.dtype
        return (distance / self._energy).to(dtype), MomentGradient(of_mean.to(dtype), of_covariance.to(dtype))


def _eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of a symmetric matrix.

    On one thread: the work comes in thousands of small pieces, and threads that sleep between them take longer to wake.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        values, vectors = torch.linalg.eigh(matrix)
    finally:
        torch.set_num_threads(threads)
    return values, vectors


def _covariance(moments: Moments) -> Tensor:
    """C×C, double precision."""
    mean = moments.mean.double()
    return moments.second.double() - torch.outer(mean, mean)


def _rows(features: Tensor) -> Tensor:
    """A feature map as a matrix of positions × channels; no copy where it is in channels_last."""
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])


def at_least_float32(values: Tensor) -> Tensor:
    """For sums over many positions, which bfloat16 and float16 are too coarse for."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
