"""The picture being painted: what of content and style the objective sees, and what a person gets to see."""

from __future__ import annotations

import torch
from torch import Tensor

from plugin.engine import pictures
from plugin.engine.refusal import Refusal


class Canvas:
    """A content picture and a style picture, and the painting between them at its present scale.

    In color the painting has three channels. In grey, and where the picture keeps its own colors, only luma is painted:
    one channel (Gatys et al. 2016, *Preserving Color in Neural Artistic Style Transfer*, section 3.2).

    Args:
        content: 4×H×W R'G'B'A, 0 to 1.
        style: 4×h×w, the same.
        working_size: long side of the last scale.
        grey: paint in luma and deliver grey.
        keep_colors: paint in luma and deliver it in the content's colors.

    Raises:
        Refusal: one of the two is transparent everywhere.
    """

    def __init__(self, content: Tensor, style: Tensor, working_size: int, grey: bool, keep_colors: bool) -> None:
        self.working_size = working_size
        self._grey, self._keep_colors = grey, keep_colors
        self._content, self._alpha = _without_holes(content, "The layer")
        self._style, self._style_alpha = _without_holes(style, "The style picture")
        if grey or keep_colors:
            self._style = pictures.luma(self._style)
        if keep_colors and not grey:
            self._style = _with_spread_of(pictures.luma(self._content), self._style)
        self._content_alpha = content[3:]
        self.image: Tensor | None = None
        """1×K×H×W in 0–255, or a little outside; None before the first scale."""

    @property
    def style_key(self) -> tuple[object, ...]:
        """What besides the style picture itself decides how the style looks to the objective."""
        if self._keep_colors and not self._grey:
            return ("luma", float(self._style.mean()), float(self._style.std()))
        return ("grey",) if self._grey else ("color",)

    def content_at(self, size: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """The content at a scale, 1×K×H×W in 0–255, and how much each pixel counts, H×W or None."""
        return _at(self._painted_channels(self._content), self._alpha, size, device)

    def style_at(self, size: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """The style at a scale, as :meth:`content_at`."""
        return _at(self._style, self._style_alpha, size, device)

    def start(self, size: int, device: torch.device, noise: float, seed: int) -> Tensor:
        """The painting at the first scale: the content with a little noise."""
        content = self.content_at(size, device)[0]
        generator = torch.Generator().manual_seed(seed)
        self.image = content + noise * torch.randn(content.shape, generator=generator).to(device)
        return self.image

    def enlarge(self, size: int, device: torch.device, add_detail: bool) -> Tensor:
        """The painting at the next scale; with the detail that the content has beyond the scale before, if asked."""
        assert self.image is not None
        content = self.content_at(size, device)[0][0]
        height, width = content.shape[-2:]
        small = self.image[0].clamp(0, 255)
        image = pictures.resize(small, width, height)
        if add_detail:
            before = pictures.resize(content, small.shape[-1], small.shape[-2])
            image += content - pictures.resize(before, width, height)
        self.image = image[None]
        return self.image

    def preview(self, long_side: int) -> Tensor:
        """What the picture would be now, 4×H×W on the CPU, no larger than ``long_side``."""
        height, width = self._content.shape[-2:]
        return self._delivered(*pictures.fit(width, height, min(long_side, max(width, height))))

    def finished(self) -> Tensor:
        """4×H×W of the content's size and with the content's alpha, on the CPU."""
        height, width = self._content.shape[-2:]
        return self._delivered(width, height)

    def _delivered(self, width: int, height: int) -> Tensor:
        assert self.image is not None
        painted = self.image[0].clamp(0, 255).cpu() / 255
        content = pictures.resize(self._content, width, height)
        luma = pictures.luma(content)
        if width * height > painted.shape[-1] * painted.shape[-2]:
            small_luma = pictures.resize(luma, painted.shape[-1], painted.shape[-2])
            painted = pictures.bring_up(painted, small_luma, luma)
        else:
            painted = pictures.resize(painted, width, height)
        if self._grey:
            painted = painted.expand(3, -1, -1)
        elif self._keep_colors:
            # In YIQ only Y changes; so R', G' and B' all change by as much as Y does.
            painted = content + (painted - luma)
        return torch.cat([painted, pictures.resize(self._content_alpha, width, height)]).clamp_(0, 1)

    def _painted_channels(self, rgb: Tensor) -> Tensor:
        return pictures.luma(rgb) if self._grey or self._keep_colors else rgb


def _without_holes(rgba: Tensor, subject: str) -> tuple[Tensor, Tensor | None]:
    """3×H×W with colors where alpha is 0, too, and alpha as H×W; None where all of it is opaque."""
    alpha = rgba[3]
    if not bool((alpha > 0).any()):
        raise Refusal(f"{subject} is transparent everywhere; choose one with something to see.")
    return pictures.fill_transparent(rgba), None if bool((alpha >= 1).all()) else alpha


def _with_spread_of(target: Tensor, image: Tensor) -> Tensor:
    """``image`` with the mean and the standard deviation of ``target`` (the same, section 3.2, last paragraph)."""
    gain = target.std() / image.std().clamp_min(1e-4)
    return (image - image.mean()) * gain + target.mean()


def _at(image: Tensor, alpha: Tensor | None, size: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
    width, height = pictures.fit(image.shape[-1], image.shape[-2], size)
    scaled = pictures.resize(image, width, height).clamp(0, 1).mul(255).to(device)[None]
    if alpha is None:
        return scaled, None
    return scaled, pictures.resize(alpha[None], width, height)[0].clamp(0, 1).to(device)
