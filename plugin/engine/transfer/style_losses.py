"""What a style is: the statistics of its feature maps, and how far others are from them.

Every measure here is a function of the first two moments of a feature map over its positions. Moments are sums over
positions, so a picture may be seen whole, in tiles or through a mask; and the gradient with respect to the features is,
for every measure, a matrix product with the gradients of the moments. So a measure is a few lines on small matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol

import torch
from torch import Tensor

from plugin.engine.machine.cuda_graphs import side_by_side


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
        moments = MomentSum()
        moments.add(features, weights)
        return moments.moments()


class MomentSum:
    """The moments of a feature map that may be seen piece by piece."""

    def __init__(self) -> None:
        self.weight: Tensor | float = 0.0
        """Of all positions so far."""
        self._mean: Tensor | float = 0.0
        self._second: Tensor | float = 0.0
        self._only: tuple[Tensor, Tensor | None] | None = None
        """The one piece there is, if it has fewer positions than channels, and its weights."""

    def add(self, features: Tensor, weights: Tensor | None = None) -> None:
        """Add a piece; the arguments are those of :meth:`Moments.of`, but all weights may be zero here."""
        rows = _rows(features)
        is_first = not isinstance(self._mean, Tensor)
        if is_first and len(rows) < rows.shape[1]:
            self._only = at_least_float32(rows), weights
        else:
            self._only = None
        if weights is None:
            self.weight = self.weight + len(rows)
            first, second = _sums(rows)
            self._mean, self._second = self._mean + first, self._second + second
        else:
            # Rounded products would leave a covariance with eigenvalues below 0.
            rows = at_least_float32(rows)
            weighted = rows * weights.reshape(-1, 1)
            self.weight = self.weight + weights.sum() + 1e-12
            self._mean = self._mean + weighted.sum(0)
            self._second = self._second + weighted.T @ rows

    def moments(self) -> Moments:
        """Of all pieces together."""
        mean, second = self._mean / self.weight, self._second / self.weight
        assert isinstance(mean, Tensor)
        assert isinstance(second, Tensor)
        if self._only is None:
            return Moments(mean, second)
        rows, weights = self._only
        share = 1 / len(rows) if weights is None else weights.reshape(-1, 1) / self.weight
        return Moments(mean, second, (rows - mean) * share**0.5)


@dataclass(frozen=True)
class MomentGradient:
    """The gradient of a number with respect to the two moments; ``second`` is symmetric."""

    mean: Tensor
    second: Tensor

    def scaled(self, factor: float) -> MomentGradient:
        """The gradient of ``factor`` times the number."""
        return MomentGradient(self.mean * factor, self.second * factor)

    def of_features(
        self, features: Tensor, weights: Tensor | None = None, total: Tensor | float | None = None
    ) -> Tensor:
        """The gradient with respect to the feature map that the moments were taken of, in its shape and dtype.

        Args:
            total: the weight of all positions, where ``features`` and ``weights`` are only a piece of them.
        """
        rows = _rows(features)
        slope, offset = 2 * self.second, self.mean
        if weights is None:
            share = 1 / (len(rows) if total is None else total)
            gradient = torch.addmm((offset * share).to(rows.dtype), rows, (slope * share).to(rows.dtype))
        else:
            each = (weights.reshape(-1, 1) / (weights.sum() if total is None else total)).to(rows.dtype)
            gradient = torch.addmm(offset.to(rows.dtype), rows, slope.to(rows.dtype)).mul_(each)
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
        channels = len(style.mean)
        self._factor: Tensor | float = 1 / channels**4

    def __call__(self, moments: Moments) -> tuple[Tensor, MomentGradient]:
        difference = moments.second - self._target
        gradient = difference * (2 * self._factor)
        return difference.square().sum() * self._factor, MomentGradient(torch.zeros_like(moments.mean), gradient)


class RelativeEuclidean(Euclidean):
    """The same relative to the style's own Gram matrix, so that it means the same for every layer and style."""

    def __init__(self, style: Moments) -> None:
        super().__init__(style)
        self._factor = 1 / style.second.square().sum().clamp_min(1e-30)


class Mahalanobis:
    """Distance of means and covariances, measured in the space in which the style's own covariance is the identity.

    (μ − μ')ᵀ Σ'⁻¹ (μ − μ') + |Σ'^-½ (Σ − Σ') Σ'^-½|², per channel: the square of Mahalanobis' distance between the
    means (P. C. Mahalanobis 1936, *On the generalized distance in statistics*), and of the affine-invariant
    distance between the covariances to first order (Pennec et al. 2006, *A Riemannian Framework for Tensor
    Computing*, section 3). A rare pattern of the style counts as much as a common one.

    To Σ', where it divides, its mean variance is added: directions in which the style has next to nothing would
    otherwise count for everything. With a tenth of that, faces already fall to pieces.
    """

    _RIDGE = 1.0

    def __init__(self, style: Moments) -> None:
        covariance = _covariance(double(style.mean), double(style.second))
        channels = len(covariance)
        # Of a style without variance its trace is what rounding left, of either sign.
        spread = torch.maximum(covariance.trace(), _ROUNDING * double(style.second).trace())
        ridge = self._RIDGE * spread / channels + 1e-12
        identity = torch.eye(channels, dtype=torch.float64, device=covariance.device)
        inverse = torch.linalg.inv(covariance + ridge * identity) / channels**0.5
        self._mean = _working(style.mean)
        self._covariance, self._inverse = covariance.to(self._mean), inverse.to(self._mean)

    def __call__(self, moments: Moments) -> tuple[Tensor, MomentGradient]:
        mean = moments.mean.to(self._mean)
        channels = len(mean)
        apart = mean - self._mean
        of_mean = self._inverse @ apart / channels**0.5
        wider = _covariance(mean, moments.second.to(mean)) - self._covariance
        of_covariance = self._inverse @ wider @ self._inverse
        distance = apart @ of_mean + (of_covariance * wider).sum()
        of_mean = 2 * of_mean - 4 * of_covariance @ mean
        like = moments.mean
        return distance.to(like), MomentGradient(of_mean.to(like), (2 * of_covariance).to(like))


class Wasserstein:
    """Squared 2-Wasserstein distance between two Gaussians, relative to the style's own spread.

    |μ − μ'|² + tr(Σ + Σ' − 2 (Σ'^½ Σ Σ'^½)^½); the gradient with respect to Σ is the identity minus the optimal
    transport map from the picture's Gaussian to the style's (Takatsu 2011, *Wasserstein geometry of Gaussian
    measures*). It is divided by E|f|² of the style's features, so that it means the same for every layer and style.

    Where the picture has next to no variance the map would be infinite. So the eigenvalues m of Σ'^½ Σ Σ'^½ count with
    √(m + δ) − √δ, and those of Σ' are raised just so much that the distance still has its minimum at the style's own Σ.

    On a processor the small matrices have eigenvectors, in double precision: seen whole and in tiles a picture has the
    same gradient then. A graphics card would wait for those; there they have roots by :func:`square_roots`, in float32,
    because most cards multiply doubles 32 to 64 times slower. The floor is high enough for that.
    """

    _FLOOR = 5e-2
    """√δ as a part of the style's mean variance."""

    def __init__(self, style: Moments, in_products: bool | None = None) -> None:
        """``in_products`` is how a graphics card does it; None is as it is best where the style's moments are."""
        covariance = _covariance(double(style.mean), double(style.second))
        self._in_products = style.mean.device.type != "cpu" if in_products is None else in_products
        self._energy = float(style.second.trace())
        self._floor = self._FLOOR * float(covariance.trace()) / len(covariance) + 1e-12
        values, vectors = _eigh(covariance)
        values = values.clamp_min(0)
        raised = (values + (values.square() + 4 * self._floor**2).sqrt()) / 2
        self._mean = style.mean.float() if self._in_products else style.mean.double()
        self._root = ((vectors * raised.sqrt()) @ vectors.T).to(self._mean)
        self._at_style = (values.sum() - 2 * (raised - self._floor).sum()).to(self._mean)

    def __call__(self, moments: Moments) -> tuple[Tensor, MomentGradient]:
        mean = moments.mean.to(self._mean)
        if self._in_products:
            covariance = _covariance(mean, moments.second.to(mean))
            trace = covariance.trace()
            root, inverse_root, raised = square_roots(self._root @ covariance @ self._root, self._floor**2)
            transport = self._root @ inverse_root @ self._root
            roots = root.diagonal() - raised.sqrt()
        elif moments.few is None:
            covariance = _covariance(mean, moments.second.to(mean))
            trace = covariance.trace()
            values, vectors = _eigh(self._root @ covariance @ self._root)
            across = vectors.T @ self._root
        else:
            rows = moments.few.to(mean)
            trace = rows.square().sum()
            seen = rows @ self._root
            values, vectors = _eigh(seen @ seen.T)
            # The eigenvectors on the channels' side; one with next to no eigenvalue has next to no part in the picture.
            across = (
                vectors.T @ seen @ self._root * values.clamp_min(1e-10 * float(values[-1]) + 1e-30).rsqrt()[:, None]
            )
        if not self._in_products:
            roots = (values.clamp_min(0) + self._floor**2).sqrt()
            transport = across.T @ (across / roots[:, None])
            roots = roots - self._floor
        apart = mean - self._mean
        distance = apart.square().sum() + trace - 2 * roots.sum() - self._at_style
        of_covariance = -transport / self._energy
        of_covariance.diagonal().add_(1 / self._energy)
        of_mean = 2 * (apart / self._energy - of_covariance @ mean)
        like = moments.mean
        return (distance / self._energy).to(like), MomentGradient(of_mean.to(like), of_covariance.to(like))


def square_roots(matrix: Tensor, floor: float) -> tuple[Tensor, Tensor, Tensor]:
    """(M + floor I)^½, its inverse, and the floor, of a symmetric matrix M without negative eigenvalues.

    In products alone, for graphics cards, which multiply matrices far faster than they find eigenvectors, and do it
    without waiting for the processor. Newton and Schulz's iteration in its coupled form (Higham 2008, *Functions of
    Matrices*, section 6.7), every step scaled to the interval that the eigenvalues are left in (Chen and Chow 2014, *A
    Stable Scaling of Newton-Schulz for Improving the Sign Function Computation of a Hermitian Matrix*, section 3).

    Args:
        matrix: C×C, float32.
        floor: above 0; it is raised to the rounding errors of M where it is below them, since an eigenvalue that is
            not above 0 has no root.
    """
    identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    norm = matrix.norm()
    floors = (norm * _SMALLEST**2).clamp_min(floor)
    size = norm + floors
    root, inverse = ((matrix + matrix.T) / 2 + floors * identity) / size, identity
    for factor in _FACTORS:
        change = torch.addmm(identity, inverse, root, beta=1.5 * factor, alpha=-0.5 * factor**3)
        root, inverse = side_by_side(
            [partial(torch.mm, root, change), partial(torch.mm, change, inverse)], matrix.device
        )
    return root * size.sqrt(), inverse / size.sqrt(), floors


_SMALLEST = (8 * torch.finfo(torch.float32).eps) ** 0.5
"""Of the roots of a matrix' eigenvalues, beside its norm."""


def _scaling(smallest: float) -> list[float]:
    """The steps' factors that bring everything from ``smallest`` to 1 up to 1."""
    factors = []
    while 1 - smallest > torch.finfo(torch.float32).eps:
        factors.append((3 / (1 + smallest + smallest**2)) ** 0.5)
        scaled = factors[-1] * smallest
        smallest = scaled * (3 - scaled**2) / 2
    return factors


_FACTORS = _scaling(_SMALLEST)


_ROUNDING = 1e-5
"""Of the second moments, below which a variance that is a difference of them in float32 means nothing."""


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


def _covariance(mean: Tensor, second: Tensor) -> Tensor:
    """C×C, in the precision of the two moments."""
    return second - torch.outer(mean, mean)


def _rows(features: Tensor) -> Tensor:
    """A feature map as a matrix of positions × channels; no copy where it is in channels_last."""
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])


def _sums(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Of positions × channels over the positions, and of their products: C and C×C, float32 or better."""
    if rows.dtype != torch.bfloat16:
        rows = at_least_float32(rows)
        return (rows.new_ones(1, len(rows)) @ rows)[0], rows.T @ rows
    if rows.is_cuda and torch.version.hip is None:  # multiplied as they are, summed up in float32
        ones = rows.new_ones(1, len(rows))
        return torch.mm(ones, rows, out_dtype=torch.float32)[0], torch.mm(rows.T, rows, out_dtype=torch.float32)
    # Here a sum comes in bfloat16. So these are sums of few positions, and only they are summed up in float32: their
    # rounding errors all but cancel, and nothing is converted but small matrices.
    whole = len(rows) // _PIECE * _PIECE
    pieces = rows[:whole].view(-1, _PIECE, rows.shape[1])
    first = torch.bmm(rows.new_ones(len(pieces), 1, _PIECE), pieces).sum(0, dtype=torch.float32)[0]
    second = torch.bmm(pieces.mT, pieces).sum(0, dtype=torch.float32)
    rest = at_least_float32(rows[whole:])
    return first + rest.sum(0), second + rest.T @ rest


_PIECE = 256
"""Positions that are summed up at once where the sum is rounded to bfloat16."""


def double(values: Tensor) -> Tensor:
    """In double precision; on the processor where the device has none, as Apple's and some of Intel's."""
    return (values if _has_doubles(values.device) else values.cpu()).double()


@cache
def _has_doubles(device: torch.device) -> bool:
    if device.type == "xpu":
        return bool(getattr(torch.xpu.get_device_properties(device), "has_fp64", True))
    return device.type != "mps"


def _working(values: Tensor) -> Tensor:
    """In double precision on a processor, in float32 on a graphics card, which is slow at doubles or has none."""
    return values.double() if values.device.type == "cpu" else values.float()


def at_least_float32(values: Tensor) -> Tensor:
    """For sums over many positions, which bfloat16 and float16 are too coarse for."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
