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
    which is the Gram matrix of Gatys et al. 2016 (section 2.2) divided by the number of positions. Both float32.
    """

    mean: Tensor
    second: Tensor

    @property
    def covariance(self) -> Tensor:
        """C×C."""
        return self.second - torch.outer(self.mean, self.mean)

    @staticmethod
    def of(features: Tensor, weights: Tensor | None = None) -> Moments:
        """The moments of a feature map.

        Args:
            features: 1×C×H×W.
            weights: how much each position counts, H×W, not negative, not all zero; None counts all alike.
        """
        rows = _rows(features).float()
        if weights is None:
            return Moments(rows.mean(0), rows.T @ rows / len(rows))
        share = weights.reshape(-1, 1) / weights.sum()
        weighted = rows * share
        return Moments(weighted.sum(0), weighted.T @ rows)


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
    """

    _FLOOR = 1e-4
    """Added to both covariances, as a part of the style's mean variance, so that their roots have gradients."""

    def __init__(self, style: Moments) -> None:
        covariance = style.covariance
        self._energy = style.second.trace()
        self._floor = self._FLOOR * covariance.trace() / len(covariance) + 1e-12
        self._mean = style.mean
        values, vectors = torch.linalg.eigh(covariance)
        values = values.clamp_min(0) + self._floor
        self._trace = values.sum()
        self._root = (vectors * values.sqrt()) @ vectors.T

    def __call__(self, moments: Moments) -> tuple[Tensor, MomentGradient]:
        covariance = moments.covariance
        covariance.diagonal().add_(self._floor)
        middle = self._root @ covariance @ self._root
        values, vectors = torch.linalg.eigh((middle + middle.T) / 2)
        # Rounding makes the smallest eigenvalues negative or spurious; none can be below the two floors' product.
        roots = values.clamp_min(self._floor**2).sqrt()
        across = vectors.T @ self._root
        transport = across.T @ (across / roots[:, None])
        apart = moments.mean - self._mean
        distance = apart.square().sum() + covariance.trace() + self._trace - 2 * roots.sum()
        of_covariance = (torch.eye(len(transport), device=transport.device) - transport) / self._energy
        of_mean = 2 * apart / self._energy - 2 * of_covariance @ moments.mean
        return distance / self._energy, MomentGradient(of_mean, of_covariance)


def _rows(features: Tensor) -> Tensor:
    """A feature map as a matrix of positions × channels; no copy where it is in channels_last."""
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
