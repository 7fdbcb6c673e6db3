"""What limits everything here: the device, how fast it multiplies matrices and how fast it copies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from plugin.engine.bench import telling, timing
from plugin.engine.machine import devices
from plugin.engine.machine.devices import Device

_SMALLEST_MATRIX, _LARGEST_MATRIX = 256, 8192
"""Sides. A product has to be large to reach the device's limit, and small where bfloat16 is multiplied one by one."""

_LONG_FOR_A_PRODUCT = 0.05
"""Seconds; a product that takes longer is large enough."""

_COPIED = 2**28
"""Bytes, more than any cache holds."""


def name(dtype: torch.dtype) -> str:
    """``float32`` or ``bfloat16``."""
    return str(dtype).removeprefix("torch.")


def hardware(device: Device, precisions: Sequence[str]) -> dict[str, Any]:
    """What is measured on."""
    return {
        "device": device.name,
        "kind": device.kind,
        "cpu": devices.cpu_name(),
        "cores": torch.get_num_threads(),
        "torch": torch.__version__,
        "precisions": list(precisions),
        "precision_of_choice": name(devices.choose(device.kind).dtype),
    }


def matrix_rates(device: Device, precisions: Mapping[str, torch.dtype], repeats: int) -> dict[str, float]:
    """Floating point operations per second of a large matrix product, by precision."""
    rates = {}
    for precision, dtype in precisions.items():
        rates[precision] = _matrix_rate(device, dtype, repeats)
        if dtype == torch.float32 and _has_tf32(device):
            with _tf32():
                rates["tf32"] = _matrix_rate(device, dtype, repeats)
    return rates


def _matrix_rate(device: Device, dtype: torch.dtype, repeats: int) -> float:
    side = _SMALLEST_MATRIX
    while True:
        a, b = (torch.randn(side, side, device=device.torch_device).to(dtype) for _ in range(2))
        product = partial(torch.mm, a, b)
        if side == _LARGEST_MATRIX or timing.timed(product, device, 1, 0).median > _LONG_FOR_A_PRODUCT:
            return 2 * side**3 / timing.piece(product, device, repeats)
        side *= 2


def _has_tf32(device: Device) -> bool:
    """Whether torch's convolutions round float32 to 19 bits, as they do on newer NVIDIA cards unless told not to."""
    if device.kind != "cuda" or torch.version.hip is not None or not torch.backends.cudnn.allow_tf32:
        return False
    return torch.cuda.get_device_capability() >= (8, 0)


@contextlib.contextmanager
def _tf32() -> Iterator[None]:
    """Let matrix products do what convolutions do anyway."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def limit(precision: str, rates: Mapping[str, float]) -> float:
    """The rate that limits the convolutions: whatever a precision is called, they are multiplied as suits the device.

    Where a processor has no instructions for bfloat16, that is in float32.
    """
    return max(rates[name] for name in (precision, "float32", "tf32") if name in rates)


def copy_rate(device: Device, repeats: int) -> float:
    """Bytes per second from and to the device's memory: each one copied is read and written."""
    source = torch.ones(_COPIED, dtype=torch.uint8, device=device.torch_device)
    target = torch.zeros_like(source)
    return 2 * _COPIED / timing.piece(partial(target.copy_, source), device, repeats)


def markdown(matrix: Mapping[str, float], copies: float) -> str:
    """The rates as a table."""
    rows = [[f"matrix product, {name}", f"{rate / 1e9:,.0f} GFLOP/s"] for name, rate in matrix.items()]
    return telling.table(["rate", "measured"], [*rows, ["copy, read + write", f"{copies / 1e9:,.1f} GB/s"]])
