"""Pictures to test with: the bundled ones, small."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from plugin.engine import pictures
from plugin.shared import paths

STYLE = paths.SHIPPED / "styles" / "van_gogh_village_street_in_auvers.jpg"
OTHER_STYLE = paths.SHIPPED / "styles" / "kandinsky_composition_viii.jpg"
PHOTO = next((paths.SHIPPED / "samples").glob("*.jpg"))


@cache
def _loaded(path: Path) -> Tensor:
    return pictures.load(path).rgba


def rgba(path: Path, size: int) -> Tensor:
    """4×H×W, 0 to 1, the long side ``size``."""
    picture = _loaded(path)
    width, height = pictures.fit(picture.shape[-1], picture.shape[-2], size)
    return pictures.resize(picture, width, height).clamp(0, 1)


def pixels(path: Path, size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """1×3×H×W, 0 to 255."""
    return (rgba(path, size)[None, :3] * 255).to(dtype)
