"""VGG-16's convolutions as a fixed chain, with the gradient by hand.

K. Simonyan, A. Zisserman, *Very Deep Convolutional Networks for Large-Scale Image Recognition*, arXiv:1409.1556.

The weights never change and the graph is a chain, so the backward pass needs no autograd: it keeps each ReLU's output
and each pool's choice, nothing else, and a convolution's gradient is a convolution with the kernel turned round.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom
from torch import Tensor

from plugin.engine.refusal import Refusal
from plugin.engine.transfer import private_operators, winograd
from plugin.shared.i18n import _
from plugin.shared.settings import LAYERS

WEIGHTS = Path(__file__).resolve().parents[1] / "weights" / "vgg16_features.pt"
WEIGHTS_SHA256 = "ffd4ff0d19f78ae7a3c40a93c352b22ac5d591e000129f195e39e01bd23372ce"

MEAN = (123.68, 116.779, 103.939)
"""Of the training pictures, R'G'B' in 0–255; it is subtracted from the input."""

AVERAGE_POOL_SCALE = 1.5
"""The maximum of four neighbours over their mean, in VGG-16's feature maps of photographs."""

Border = Literal["zero", "replicate", "circular"]
Pooling = Literal["max", "average"]
_Kept = tuple[Tensor, ...]


def stride(layer: str) -> int:
    """How many pixels of the picture one position of a feature map stands for, along each side."""
    return 2 ** (int(layer[4]) - 1)


def load_weights() -> dict[str, Tensor]:
    """The bundled weights, float16.

    Raises:
        Refusal: when the file is not the one that belongs to this program.
    """
    try:
        data = WEIGHTS.read_bytes()
    except OSError:
        data = b""
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        sentence = _("The network's weights in {file} are damaged; run “python3 install.py” again.")
        raise Refusal(sentence.format(file=WEIGHTS))
    return torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")


@dataclass(frozen=True)
class Trace:
    """What a forward pass leaves behind."""

    features: dict[str, Tensor]
    """The feature maps that were asked for: 1×C×H×W each, in the network's dtype and in channels_last."""
    kept: list[_Kept]
    """What each module of the chain needs for its backward pass."""


class VGG16:
    """VGG-16 up to the deepest of ``layers``.

    Args:
        layers: names out of :data:`LAYERS`, the feature maps to return.
        border: what lies outside the picture. ``zero`` is the network's own padding; ``replicate`` repeats the
            outermost pixels at the first convolution, which keeps dark frames away; ``circular`` wraps every
            convolution around, for tileable pictures.
        pooling: ``max`` is the network's own; ``average`` is smoother (Gatys et al. 2016, section 2).
    """

    def __init__(
        self,
        layers: Iterable[str],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        border: Border = "zero",
        pooling: Pooling = "max",
    ) -> None:
        wanted = set(layers)
        self.layers = tuple(layer for layer in LAYERS if layer in wanted)
        self.dtype, self.border = dtype, border
        self._mean = torch.tensor(MEAN, device=device).view(1, 3, 1, 1)
        self._chain: list[_Convolution | _MaxPool | _AveragePool] = []
        weights = load_weights()
        # torchvision has this chain as a module, but importing it takes as long as all of torch.
        for number, name in enumerate(LAYERS[: LAYERS.index(self.layers[-1]) + 1]):
            if name.endswith("_1") and self._chain:
                self._chain.append(_MaxPool() if pooling == "max" else _AveragePool())
            first_only = "zero" if border == "replicate" and self._chain else border
            key = name, self.device, dtype
            kernel = _kernels.get(key)
            if kernel is None:
                place = f"features.{2 * number + int(name[4]) - 1}"  # ReLUs and pools are modules of their own there
                parts = (weights[f"{place}.{part}"].to(device, dtype) for part in ("weight", "bias"))
                kernel = _kernels[key] = _Kernel(*parts)
            self._chain.append(_Convolution(name, kernel, first_only))

    @property
    def device(self) -> torch.device:
        return self._mean.device

    def forward(self, image: Tensor) -> Trace:
        """The feature maps of a picture, and what :meth:`backward` needs.

        Args:
            image: 1×3×H×W, R'G'B' in 0–255, both sides at least 16.
        """
        x = (image - self._mean).to(self.dtype, memory_format=torch.channels_last)
        trace = Trace({}, [])
        for module in self._chain:
            x, kept = module.forward(x)
            trace.kept.append(kept)
            if isinstance(module, _Convolution) and module.name in self.layers:
                trace.features[module.name] = x
        return trace

    def features(self, image: Tensor) -> dict[str, Tensor]:
        """The feature maps alone, for a picture whose gradient nobody needs."""
        x = (image - self._mean).to(self.dtype, memory_format=torch.channels_last)
        features = {}
        for module in self._chain:
            x = module.forward(x)[0]
            if isinstance(module, _Convolution) and module.name in self.layers:
                features[module.name] = x
        return features

    def backward(self, trace: Trace, gradients: Mapping[str, Tensor]) -> Tensor:
        """The gradient with respect to the picture. It uses up ``trace``.

        Args:
            gradients: of the loss with respect to the feature maps, each in its map's shape and dtype; at least the
                deepest one. They are overwritten.

        Returns:
            1×3×H×W, in the network's dtype.
        """
        gradient = gradients[self.layers[-1]]
        for module in reversed(self._chain):
            if isinstance(module, _Convolution) and module.name in gradients and module.name != self.layers[-1]:
                gradient = gradient.add_(gradients[module.name])
            gradient = module.backward(gradient, trace.kept.pop())
        return gradient


class _Kernel:
    """What a layer convolves with on the way there and, turned round, on the way back."""

    def __init__(self, kernel: Tensor, bias: Tensor) -> None:
        self.out_channels, self.in_channels = kernel.shape[:2]
        self.convolve = _convolution(kernel, bias)
        self.convolve_back = _convolution(kernel.flip(2, 3).transpose(0, 1), None)


_kernels: WeakValueDictionary[tuple[str, torch.device, torch.dtype], _Kernel] = WeakValueDictionary()
"""Those of all networks there are: as a processor works with them they take up to four times their own size."""


class _Convolution:
    """A 3×3 convolution and its ReLU."""

    def __init__(self, name: str, kernel: _Kernel, border: Border) -> None:
        self.name, self.kernel = name, kernel
        self._border = border

    def forward(self, x: Tensor) -> tuple[Tensor, _Kept]:
        """The feature map, and once more to be kept: it is above zero where the ReLU let something through."""
        if self._border != "zero":
            x = F.pad(x, (1, 1, 1, 1), self._border)
        y = self.kernel.convolve(x, 1 if self._border == "zero" else 0)
        return y, (y,)

    def backward(self, gradient: Tensor, kept: _Kept) -> Tensor:
        (output,) = kept
        private_operators.relu_backward(gradient, output)
        if self._border == "zero":
            return self.kernel.convolve_back(gradient, 1)
        if self._border == "circular":
            return self.kernel.convolve_back(F.pad(gradient, (1, 1, 1, 1), "circular"), 0)
        return _fold_border(self.kernel.convolve_back(gradient, 2))


def _convolution(kernel: Tensor, bias: Tensor | None) -> Callable[[Tensor, int], Tensor]:
    """A convolution of a picture with zeros around it, so many pixels wide; with a bias also its ReLU.

    On processors most take fewer multiplications in float32 (``winograd``). For the others oneDNN may bring the kernel
    into the order that it works in once and for all, instead of at every call, and clip while it writes; on graphics
    cards cuDNN adds the bias and clips while it writes. torch has that for its own compiler only: where it is missing,
    or the device or number format has no use for it, the public function does the same.
    """
    if kernel.device.type == "cpu" and kernel.dtype == torch.float32 and winograd.is_faster(kernel):
        return winograd.convolution(kernel, bias)
    kernel = kernel.contiguous(memory_format=torch.channels_last)

    def public(x: Tensor, padding: int) -> Tensor:
        y = F.conv2d(x, kernel, bias, padding=padding)
        return y if bias is None else y.relu_()

    one, after = [1, 1], "none" if bias is None else "relu"
    packed, packed_for = kernel, (torch.Size(), 0)

    def by_cudnn(x: Tensor, padding: int) -> Tensor:
        return torch.cudnn_convolution_relu(x, kernel, bias, one, [padding] * 2, one, 1)

    def by_onednn(x: Tensor, padding: int) -> Tensor:
        nonlocal packed, packed_for
        around = [padding] * 2
        # The best order hangs on the size, and another one's is far slower than none.
        if (x.shape, padding) != packed_for:
            packed = torch.ops.mkldnn._reorder_convolution_weight(kernel, around, one, one, 1, list(x.shape))
            packed_for = x.shape, padding
        return torch.ops.mkldnn._convolution_pointwise(x, packed, bias, around, one, one, 1, after, [], "")

    if kernel.is_cuda and bias is not None and torch.version.hip is None:
        return private_operators.or_public(by_cudnn, public)
    return private_operators.or_public(by_onednn, public) if kernel.device.type == "cpu" else public


class _MaxPool:
    """2×2 maximum; an odd row or column at the end is left out."""

    def forward(self, x: Tensor) -> tuple[Tensor, _Kept]:
        """The smaller map, and to be kept the larger one and which of each four was taken."""
        y, indices = F.max_pool2d(x, 2, return_indices=True)
        return y, (x, indices)

    def backward(self, gradient: Tensor, kept: _Kept) -> Tensor:
        x, indices = kept
        return private_operators.max_pool_backward(gradient, x, indices)


class _AveragePool:
    """2×2 mean, scaled so that activations keep the size that the next convolution was trained with."""

    def forward(self, x: Tensor) -> tuple[Tensor, _Kept]:
        return F.avg_pool2d(x, 2).mul_(AVERAGE_POOL_SCALE), (x,)

    def backward(self, gradient: Tensor, kept: _Kept) -> Tensor:
        (x,) = kept
        gradient = F.interpolate(gradient.mul_(AVERAGE_POOL_SCALE / 4), scale_factor=2, mode="nearest")
        return F.pad(gradient, (0, x.shape[3] - gradient.shape[3], 0, x.shape[2] - gradient.shape[2]))


def _fold_border(gradient: Tensor) -> Tensor:
    """The gradient of a picture, from that of the picture with its outermost pixels repeated once around it."""
    gradient[:, :, 1] += gradient[:, :, 0]
    gradient[:, :, -2] += gradient[:, :, -1]
    gradient[:, :, :, 1] += gradient[:, :, :, 0]
    gradient[:, :, :, -2] += gradient[:, :, :, -1]
    return gradient[:, :, 1:-1, 1:-1]
