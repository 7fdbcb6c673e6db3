"""torch's own operators, which its next version may lack: which are called, and that the public ways do the same."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from plugin.engine.transfer import private_operators, vgg
from plugin.engine.transfer.vgg import VGG16
from tests.test_house import IN_ENGINE

from .samples import PHOTO, pixels

CALLED = {
    "torch.cudnn_convolution_relu",
    "torch.ops.aten.max_pool2d_with_indices_backward",
    "torch.ops.aten.threshold_backward.grad_input",
    "torch.ops.mkldnn._convolution_pointwise",
    "torch.ops.mkldnn._reorder_convolution_weight",
}

PRECISIONS = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2**-7}
"""Each number format with how far two sums of the same products may be apart: in bfloat16 by its last bit."""


def chains(tree: ast.AST) -> Iterator[str]:
    """Everything in a file that is reached through dots: ``torch.ops.aten``."""
    for node in ast.walk(tree):
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if parts and isinstance(node, ast.Name):
            yield ".".join([node.id, *reversed(parts)])


def is_private(chain: str) -> bool:
    first, *parts = chain.split(".")
    hidden = any(part.startswith("_") and not part.startswith("__") for part in parts)
    return first == "torch" and (parts[0] == "ops" or "cudnn_" in chain or hidden)


def test_those_that_are_called_are_known() -> None:
    trees = (ast.parse(file.read_text(encoding="utf-8")) for file in IN_ENGINE)
    found = {chain for tree in trees for chain in chains(tree) if is_private(chain)}
    assert {chain for chain in found if not any(other.startswith(f"{chain}.") for other in found)} == CALLED


def noise(*shape: int, dtype: torch.dtype) -> Tensor:
    made = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return made.to(dtype).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", PRECISIONS, ids=str)
def test_the_public_way_back_through_a_relu_gives_the_same_bits(dtype: torch.dtype) -> None:
    output, gradient = noise(1, 5, 7, 6, dtype=dtype).relu(), noise(1, 5, 7, 6, dtype=dtype).flip(1)
    expected = gradient.clone()
    private_operators._relu_backward(expected, output)
    private_operators.public_relu_backward(gradient, output)
    assert torch.equal(gradient, expected)
    assert 0 < int((gradient == 0).sum()) < gradient.numel()


@pytest.mark.parametrize("dtype", PRECISIONS, ids=str)
@pytest.mark.parametrize("size", [(8, 6), (7, 9)])
def test_the_public_way_back_through_a_maximum_gives_the_same_bits(dtype: torch.dtype, size: tuple[int, int]) -> None:
    x = noise(1, 5, *size, dtype=dtype)
    smaller, indices = F.max_pool2d(x, 2, return_indices=True)
    arguments = noise(*smaller.shape, dtype=dtype), x, indices
    found = private_operators.public_max_pool_backward(*arguments)
    assert torch.equal(found, private_operators._max_pool_backward(*arguments))


@pytest.mark.parametrize("dtype", PRECISIONS, ids=str)
@pytest.mark.parametrize("channels", [(3, 64), (64, 64)], ids=str)
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("has_bias", [True, False], ids=["bias", "no bias"])
def test_the_public_convolution_gives_the_same(
    dtype: torch.dtype, channels: tuple[int, int], padding: int, has_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, outputs = channels
    kernel, bias = noise(outputs, inputs, 3, 3, dtype=dtype), noise(1, outputs, 1, 1, dtype=dtype).flatten()
    x = noise(1, inputs, 11, 14, dtype=dtype)
    found = vgg._convolution(kernel, bias if has_bias else None)(x, padding)
    monkeypatch.setattr(private_operators, "or_public", lambda private, public: public)
    expected = vgg._convolution(kernel, bias if has_bias else None)(x, padding)
    tolerance = PRECISIONS[dtype]
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance * float(expected.abs().max()))


def missing(_number: int) -> int:
    raise AttributeError("'_OpNamespace' 'aten' object has no attribute 'threshold_backward'")


def refusing(_number: int) -> int:
    raise NotImplementedError("Could not run 'aten::threshold_backward' with arguments from this backend.")


@pytest.mark.parametrize("private", [missing, refusing])
def test_where_an_operator_is_missing_or_refuses_the_public_way_is_taken_from_then_on(
    private: Callable[[int], int],
) -> None:
    calls: list[int] = []

    def counted(number: int) -> int:
        calls.append(number)
        return private(number)

    def public(number: int) -> int:
        return number + 1

    either = private_operators.or_public(counted, public)
    assert [either(1), either(2)] == [2, 3]
    assert len(calls) == 1


def test_want_of_memory_is_no_refusal() -> None:
    def private() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError):
        private_operators.or_public(private, lambda: None)()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_network_without_any_of_them_sees_and_goes_back_the_same(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    def through() -> tuple[Tensor, Tensor]:
        network = VGG16(["relu3_1"], dtype=dtype)
        trace = network.forward(pixels(PHOTO, 48))
        features = trace.features["relu3_1"].clone()
        return features, network.backward(trace, {"relu3_1": features.clone()})

    expected = through()
    monkeypatch.setattr(vgg, "_kernels", {})
    monkeypatch.setattr(private_operators, "or_public", lambda private, public: public)
    monkeypatch.setattr(private_operators, "relu_backward", private_operators.public_relu_backward)
    monkeypatch.setattr(private_operators, "max_pool_backward", private_operators.public_max_pool_backward)
    for found, wanted in zip(through(), expected, strict=True):
        apart = float((found - wanted).float().norm() / wanted.float().norm())
        assert apart < (1e-5 if dtype == torch.float32 else 0.02)
