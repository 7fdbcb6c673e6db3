"""What this computer can compute on, and in which precision."""

from __future__ import annotations

import dataclasses
import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from plugin.engine.refusal import Refusal
from plugin.shared.i18n import _


@dataclass(frozen=True)
class Device:
    """A place to compute.

    ``kind`` is a value of the setting ``device``; ``name`` is the name a person knows it by; ``dtype`` is the precision
    of the network: bfloat16 where the hardware multiplies it faster than float32, else float32.
    """

    kind: str
    name: str
    dtype: torch.dtype

    @property
    def torch_device(self) -> torch.device:
        return torch.device(self.kind)


@cache
def available() -> dict[str, Device]:
    """Every device of this computer by its kind, the best one first; the CPU is always there."""
    found: dict[str, Device] = {}
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        found["cuda"] = Device("cuda", torch.cuda.get_device_name(), torch.bfloat16 if fast else torch.float32)
    if torch.xpu.is_available():
        found["xpu"] = Device("xpu", torch.xpu.get_device_name(), torch.bfloat16)
    if torch.backends.mps.is_available():
        found["mps"] = Device("mps", "Apple GPU", torch.float32)
    found["cpu"] = Device("cpu", cpu_name(), torch.bfloat16 if _cpu_multiplies_bfloat16() else torch.float32)
    return found


def choose(kind: str, precision: str = "auto") -> Device:
    """The device of that kind, or the best one for ``auto``; ``precision`` as the setting has it.

    Raises:
        Refusal: when this computer has no such device.
    """
    devices = available()
    if kind == "auto":
        kind = next(iter(devices))
    if kind not in devices:
        sentence = _("This computer has no {kind} device that PyTorch can use; choose one of {kinds}.")
        raise Refusal(sentence.format(kind=kind, kinds=", ".join(devices)))
    if precision == "auto":
        return devices[kind]
    return dataclasses.replace(devices[kind], dtype=getattr(torch, precision))


def use_threads() -> None:
    """Let torch use the cores this process may run on; more threads than that only wait for each other."""
    if hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(max(1, min(torch.get_num_threads(), len(os.sched_getaffinity(0)))))


def cpu_name() -> str:
    """The processor's name as its maker writes it, where Linux tells it, or else what Python says of the machine."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cpu_multiplies_bfloat16() -> bool:
    """Whether oneDNN has bfloat16 instructions here; emulated, a convolution takes ten times float32's time."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    hidden = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "")).upper()
    if hidden in _WITHOUT_BFLOAT16:
        return False
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


_WITHOUT_BFLOAT16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")
"""What oneDNN can be told to make do with, for measuring and testing, that has no bfloat16 instructions."""
