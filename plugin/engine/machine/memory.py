"""How large the pieces of a picture may be, and how much an optimizer may remember."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from plugin.engine.machine.devices import Device
from plugin.engine.refusal import Refusal
from plugin.shared.i18n import _

_SHARE = 0.6
"""Of the free memory, where the settings name no limit."""

_UNKNOWN = 4 * 2**30
"""Bytes that are taken to be free where the system does not say."""

_NETWORK_BYTES = {4: 2500, 2: 1500}
"""Bytes that one pixel of a tile takes on its way through the network and back, by the size of a feature: by how much a
step of ``gatys`` at 1024 × 683 grows a process on a processor in float32, and what it takes of a card at 1024 × 1024 in
half precision, without the rest of the plan, rounded up."""

_KEPT_BYTES = {4: 200, 2: 150}
"""Bytes for each pixel of the whole picture: the picture, its gradient, what the optimizer makes of it, and the
content's feature maps: 24 features for each pixel at ``relu3_3`` and ``relu4_2``."""

_SHORTEST_HISTORY, _LONGEST_HISTORY = 1, 20

_SMALLEST_TILE = 384 * 384
"""Pixels; smaller ones would be more halo than tile."""

_RUN_OUT = ("can't allocate memory", "not enough memory", "out of memory", "alloc_failed")
"""How torch, and below it cuBLAS and cuDNN, say that memory has run out, in small letters."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""glibc's numbers for mallopt."""

_PRIMITIVES_KEPT = 64
"""What a step does with oneDNN: two convolutions a layer, products with feature maps, and L-BFGS' smoothing."""

# oneDNN writes a program for each operation at each size, and keeps the last 1024 of them, in its own cache and in
# torch's: 5 MB for each scale in bfloat16 with AVX-512, more with AMX. To write one anew takes 0.2 ms.
for _cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(_cache, str(_PRIMITIVES_KEPT))  # read before the first operation


@dataclass(frozen=True)
class Plan:
    """``area``, the most pixels a tile sees; ``history``, the pairs L-BFGS remembers; ``halved``, whether in bfloat16.

    A picture that has no more pixels than that is one tile.
    """

    area: int
    history: int
    halved: bool


def plan(pixels: int, channels: int, device: Device, gigabytes: float) -> Plan:
    """Share a budget between what one tile needs and what grows with the picture.

    The engine itself and its network, which are there before and after, are not in it.

    Args:
        pixels: of the whole picture.
        channels: of the picture, 1 or 3.
        gigabytes: the budget in GiB; 0 is 60 % of what is free.
    """
    budget = (gigabytes or share(device)) * 2**30
    item = device.dtype.itemsize
    left = budget - pixels * _KEPT_BYTES[item]
    pair = 2 * 4 * channels * pixels
    history, halved = _LONGEST_HISTORY, False
    # At most half of it for the history: first its length goes, then its precision.
    if pair * history > left / 2:
        halved = pair * _SHORTEST_HISTORY * 2 > left / 2
        pair //= 2 if halved else 1
        history = min(_LONGEST_HISTORY, _power_of_2(max(_SHORTEST_HISTORY, left / 2 / pair)))
    area = int((left - pair * history) / _NETWORK_BYTES[item])
    tile = _power_of_2(max(area, 1))
    if pixels <= area:
        tile = max(pixels, tile)
    return Plan(max(_SMALLEST_TILE, tile), history, halved)


def _power_of_2(most: float) -> int:
    """What is free changes from one moment to the next, and the same job shall have the same tiles and history."""
    return 2 ** int(math.log2(most))


def check(pixels: int, long_side: int, device: Device) -> None:
    """See that there is room for what grows with the picture, however small its tiles.

    On a processor only: a graphics card says so itself, but the system would end the program without a word.

    Raises:
        Refusal: there is not.
    """
    needed, there = pixels * _KEPT_BYTES[device.dtype.itemsize], free(device)
    if device.kind == "cpu" and needed > there:
        sentence = _(
            "A working size of {size} pixels takes {needed} of memory, and {free} are free; close other programs, or "
            "choose a size of at most {most}."
        )
        most = int(long_side * (_SHARE * there / needed) ** 0.5)
        amounts = {"needed": f"{needed / 2**30:.1f} GiB", "free": f"{there / 2**30:.1f} GiB"}
        raise Refusal(sentence.format(size=long_side, most=most, **amounts))


def has_run_out(error: BaseException) -> bool:
    """Whether this is how Python, torch or a device says that there is no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in _RUN_OUT)


def share(device: Device) -> float:
    """GiB that the painting may take of what is free now."""
    give_back()
    return _SHARE * free(device) / 2**30


def give_back() -> None:
    """Let others have what this process has freed in main memory, which the C library keeps for what comes next."""
    if _glibc is not None:
        _glibc.malloc_trim(0)


def begin_scale(is_whole: bool) -> None:
    """Let others have what was freed at the scale before, whose feature maps had other sizes.

    Args:
        is_whole: whether the picture is looked at as a whole, so that every step asks for the same feature maps as the
            step before. Then the C library is to keep what is freed: fresh pages for each of them took 5 to 9 % of the
            processor's time at 512 pixels. Of tiles it would keep far more than the budget.
    """
    if _glibc is not None:
        _glibc.mallopt(_M_MMAP_THRESHOLD, 2**30 if is_whole else 2**20)
        _glibc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1 if is_whole else 2**27)
    give_back()


def _find_glibc() -> ctypes.CDLL | None:
    """None where the C library is another one."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


_glibc = _find_glibc()


def free(device: Device) -> int:
    """Bytes that a program may still take on a device."""
    if device.kind == "cuda":
        return torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    if device.kind == "xpu" and hasattr(torch.xpu, "mem_get_info"):
        return torch.xpu.mem_get_info()[0]
    return _free_main_memory()


def _free_main_memory() -> int:
    if sys.platform == "linux":
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        status = (ctypes.c_ulonglong * 8)(64)  # MEMORYSTATUSEX; its fourth number is what is available
        if ctypes.windll.kernel32.GlobalMemoryStatusEx(status):
            return status[2]
    try:
        # What is free on a Mac changes as one asks for it; half of all there is can be had.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (ValueError, OSError, AttributeError):
        return _UNKNOWN
