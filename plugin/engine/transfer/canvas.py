"""The picture being painted: what of content and styles the objective sees, and what a person gets to see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom
from torch import Tensor

from plugin.engine import pictures
from plugin.engine.refusal import Refusal
from plugin.shared.i18n import _
from plugin.shared.settings import Settings, parse_blend

_GRID = 16
"""Pixels: both sides of a picture that wraps around are multiples, so that the network's pools meet themselves."""

_SMALL = 4_000_000
"""Pixels of a picture that a graphics card has room for beside whatever else it does."""

_FAINT_NOISE = 2.0
"""Standard deviation, in 0–255, of what the seed adds to the start: unseen itself, but no two seeds end alike."""

_STRONG_NOISE = 64.0
"""Standard deviation, in 0–255, of noise that the painting starts from."""

_SHARPENING = 0.5
"""How much of an enlarged painting's finest detail is added to it once more. Enlarging blurs: the finest strokes are
the first thing that the next scale has to bring back."""


@dataclass(frozen=True)
class Style:
    """A style picture, where it is wanted and how much.

    ``picture`` is 4×h×w R'G'B'A, 0 to 1. ``region`` is H×W of the content's size, 0 to 1, or None for all of it.
    ``weight`` is above 0 and means something beside the other styles' weights only. ``key`` is the same for the same
    picture; what is computed of it is kept under that name.
    """

    picture: Tensor
    key: str
    region: Tensor | None = None
    weight: float = 1.0


def blend_weights(settings: Settings, styles: int) -> list[float]:
    """How much each of so many styles counts.

    Raises:
        Refusal: the setting ``blend`` has more or fewer numbers than there are styles.
    """
    weights = parse_blend(settings.blend) or [1.0] * styles
    if len(weights) != styles:
        sentence = _("There are {styles} styles and {numbers} numbers in “blend”; give one for each.")
        raise Refusal(sentence.format(styles=styles, numbers=len(weights)))
    return weights


class Canvas:
    """A content picture and style pictures, and the painting between them at its present scale.

    In color the painting has three channels. In grey, and where the picture keeps its own colors with ``luminance``,
    only luma is painted: one channel (Gatys et al. 2016, *Preserving Color in Neural Artistic Style Transfer*,
    section 3.2). With ``histogram`` the styles are given the content's color statistics (the same, section 3.1).

    Args:
        content: 4×H×W R'G'B'A, 0 to 1.
        styles: at least one.
        working_size: long side of the last scale.
        grey: paint in luma and deliver grey.
        colors: how far the picture keeps its own, a value of the setting ``preserve_colors``.
        wraps: whether left and right, top and bottom of the painting are to meet.
        whole: the picture whose colors the styles are matched with, 4×h×w; the content itself where it is None.

    Raises:
        Refusal: a picture is transparent everywhere, or a region is empty.
    """

    def __init__(
        self,
        content: Tensor,
        styles: Sequence[Style],
        working_size: int,
        grey: bool = False,
        colors: str = "off",
        wraps: bool = False,
        whole: Tensor | None = None,
    ) -> None:
        self._wraps = wraps
        width, height = self._fit(content, working_size)
        self.working_size = max(width, height)
        self.working_pixels = math.prod(self._fit(content, self.working_size))  # rounded once more where it wraps
        self.channels = 1 if grey or colors == "luminance" else 3
        self._grey, self._colors = grey, colors
        self._content, self._alpha = _without_holes(content, _("The layer"))
        if wraps:
            self._content = pictures.periodic(self._content)
        self._given, self._content_alpha = content, content[3:]
        # What every scale and every preview is made from: the whole picture may be far larger.
        self._working = tuple(
            None if part is None else _brought_to(part, width, height)
            for part in (self._content, self._content_alpha, None if self._alpha is None else self._alpha[None])
        )
        palette, palette_alpha = (
            (self._content, self._alpha) if whole is None else _without_holes(whole, _("The layer"))
        )
        palette = self._painted_channels(palette)
        self._styles: list[tuple[Tensor, Tensor | None]] = []
        for style in styles:
            picture, alpha = _without_holes(style.picture, _("The style picture"))
            picture = self._painted_channels(picture)
            if colors == "histogram" or (colors == "luminance" and not grey):
                picture = pictures.recolor(picture, palette, alpha, palette_alpha)
            self._styles.append((picture, alpha))
        self._regions = _guidance(content, styles)
        regions = [region for region in self._regions if isinstance(region, Tensor)]
        self._covered = torch.stack(regions).sum(0, keepdim=True) if regions else None
        """1×H×W, how much of each pixel is anybody's region; None where there are no regions."""
        self.image: Tensor | None = None
        """1×K×H×W in 0–255, or a little outside; None before the first scale."""

    def style_key(self, number: int) -> tuple[object, ...]:
        """What besides the style picture itself decides how a style looks to the objective."""
        kind = "grey" if self._grey else "luma" if self._colors == "luminance" else "color"
        if self._colors == "off" or (self._grey and self._colors == "luminance"):
            return (kind,)
        picture, _ = self._styles[number]
        return (kind, *(float(value) for value in (*picture.mean((1, 2)), *picture.std((1, 2)))))

    def content_at(self, size: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """The content at a scale, 1×K×H×W in 0–255, and how much each pixel counts, H×W or None."""
        content, _, alpha = self._working_on(device)
        assert content is not None
        painted = self._painted_channels(content)
        return _scaled(painted, None if alpha is None else alpha[0], *self._fit(self._content, size), device)

    def style_at(self, number: int, size: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """A style at a scale, as :meth:`content_at`."""
        picture, alpha = self._styles[number]
        width, height = pictures.fit(picture.shape[-1], picture.shape[-2], size)
        return _scaled(picture, alpha, width, height, device)

    def guidance_at(self, size: int, device: torch.device) -> list[tuple[float, Tensor | None]]:
        """For each style its share of the picture, and how far each pixel belongs to it, H×W; None is all alike."""
        width, height = self._fit(self._content, size)
        found: list[tuple[float, Tensor | None]] = []
        for region in self._regions:
            if isinstance(region, float):
                found.append((region, None))
                continue
            seen = region if self._alpha is None else region * self._alpha
            share = float(seen.sum() / (region.numel() if self._alpha is None else self._alpha.sum()))
            found.append((share, pictures.resize(region[None], width, height)[0].clamp(0, 1).to(device)))
        return found

    def start(self, size: int, device: torch.device, start: str, seed: int) -> Tensor:
        """The painting at the first scale; ``start`` is a value of the setting of that name."""
        content = self.content_at(size, device)[0]
        noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(seed)).to(device)
        if start == "noise":
            self.image = 127.5 + _STRONG_NOISE * noise
            return self.image
        if start == "recolored":
            content = self._recolored(content, size, device)
        self.image = content + _FAINT_NOISE * noise
        return self.image

    def _recolored(self, content: Tensor, size: int, device: torch.device) -> Tensor:
        """The content with every style's color statistics where that style is wanted."""
        whole = content.clone()
        for number, (share, region) in enumerate(self.guidance_at(size, device)):
            style, alpha = self.style_at(number, size, device)
            recolored = pictures.recolor(content[0], style[0], None, alpha)[None].clamp(0, 255)
            whole += (recolored - content) * (share if region is None else region)
        return whole

    def enlarge(self, size: int, device: torch.device, add_detail: bool) -> Tensor:
        """The painting at the next scale; with the detail that the content has beyond the scale before, if asked."""
        assert self.image is not None
        width, height = self._fit(self._content, size)
        small = self.image[0].clamp(0, 255)
        image = pictures.resize(small, width, height, self._wraps)
        if add_detail:
            content = self.content_at(size, device)[0][0]
            before = pictures.resize(content, small.shape[-1], small.shape[-2])
            image = image + content - pictures.resize(before, width, height)
        elif image is not small:
            around = F.pad(image, (1, 1, 1, 1), "circular" if self._wraps else "replicate")
            image = torch.lerp(F.avg_pool2d(around, 3, stride=1), image, 1 + _SHARPENING)
        self.image = image[None].clone() if image is small else image[None]
        return self.image

    def preview(self, long_side: int) -> Tensor:
        """What the picture would be now, 4×H×W on the CPU, no larger than ``long_side`` or what is worked at."""
        assert self.image is not None
        content, alpha, _ = self._working_on(self.image.device)
        assert content is not None
        assert alpha is not None
        height, width = content.shape[-2:]
        width, height = pictures.fit(width, height, min(long_side, max(width, height)))
        return self._delivered(pictures.resize(content, width, height), pictures.resize(alpha, width, height))

    def finished(self) -> Tensor:
        """4×H×W of the content's size and with the content's alpha, on the CPU."""
        assert self.image is not None
        device = self.image.device if self._content[0].numel() <= _SMALL else torch.device("cpu")
        return self._delivered(self._content.to(device), self._content_alpha)

    def unpainted(self) -> Tensor:
        """The content itself, as :meth:`finished` delivers a painting; it wraps around where that would."""
        if self._wraps:
            return torch.cat([self._content, self._content_alpha]).clamp_(0, 1)
        return self._given.clone()

    def _working_on(self, device: torch.device) -> tuple[Tensor | None, ...]:
        """The content at the size that is worked at, its alpha, and once more where not all is opaque: 0 to 1."""
        if self.working_pixels <= _SMALL:
            self._working = tuple(None if part is None else part.to(device) for part in self._working)
        return self._working

    def _delivered(self, content: Tensor, alpha: Tensor) -> Tensor:
        """The painting at the content's size, with what it keeps of the content."""
        assert self.image is not None
        height, width = content.shape[-2:]
        painted = self.image[0].clamp(0, 255).to(content.device) / 255
        luma = pictures.luma(content)
        if width * height > painted.shape[-1] * painted.shape[-2] and not self._wraps:
            small_luma = pictures.resize(luma, painted.shape[-1], painted.shape[-2])
            painted = pictures.bring_up(painted, small_luma, luma)
        else:
            painted = pictures.resize(painted, width, height, self._wraps)
        if self._grey:
            painted = painted.expand(3, -1, -1)
        elif self._colors == "luminance":
            # In YIQ only Y changes; so R', G' and B' all change by as much as Y does.
            painted = content + (painted - luma)
        if self._covered is not None:
            covered = pictures.resize(self._covered, width, height).clamp(0, 1).to(content.device)
            painted = content + (painted - content) * covered
        return torch.cat([painted.cpu(), alpha.cpu()]).clamp_(0, 1)

    def _painted_channels(self, rgb: Tensor) -> Tensor:
        return pictures.luma(rgb) if self._grey or self._colors == "luminance" else rgb

    def _fit(self, content: Tensor, size: int) -> tuple[int, int]:
        return extent(content.shape[-1], content.shape[-2], size, self._wraps)


def extent(width: int, height: int, size: int, wraps: bool) -> tuple[int, int]:
    """Width and height in pixels that a picture of these proportions is painted at, at a scale."""
    return pictures.fit(width, height, size, _GRID if wraps else 1)


def _without_holes(rgba: Tensor, subject: str) -> tuple[Tensor, Tensor | None]:
    """3×H×W with colors where alpha is 0, too, and alpha as H×W; None where all of it is opaque."""
    alpha = rgba[3]
    if not bool((alpha > 0).any()):
        sentence = _("{picture} is transparent everywhere; choose one with something to see.")
        raise Refusal(sentence.format(picture=subject))
    return pictures.fill_transparent(rgba), None if bool((alpha >= 1).all()) else alpha


def _guidance(content: Tensor, styles: Sequence[Style]) -> list[float | Tensor]:
    """How far each pixel belongs to each style: a number where no style has a region, else H×W.

    Where regions overlap their styles are blended; where there is none, the picture is left to the content.
    """
    weights = [style.weight for style in styles]
    if all(style.region is None for style in styles):
        return [weight / sum(weights) for weight in weights]
    size = content.shape[-2:]
    regions = [torch.ones(size) if style.region is None else style.region for style in styles]
    for number, region in enumerate(regions, 1):
        if not bool((region > 1 / 255).any()):
            sentence = _("The region of style {number} is empty in this layer; choose one with something in it.")
            raise Refusal(sentence.format(number=number))
    claimed = sum(weight * region for weight, region in zip(weights, regions))
    assert isinstance(claimed, Tensor)
    covered = torch.stack(regions).sum(0).clamp_max(1)
    return [weight * region * covered / claimed.clamp_min(1e-6) for weight, region in zip(weights, regions)]


def _brought_to(part: Tensor, width: int, height: int) -> Tensor:
    """K×H×W, 0 to 1, at another size; the same tensor where it has that size already."""
    return part if part.shape[-2:] == (height, width) else pictures.resize(part, width, height).clamp_(0, 1)


def _scaled(
    image: Tensor, alpha: Tensor | None, width: int, height: int, device: torch.device
) -> tuple[Tensor, Tensor | None]:
    scaled = pictures.resize(image, width, height).clamp(0, 1).mul(255).to(device)[None]
    if alpha is None:
        return scaled, None
    return scaled, pictures.resize(alpha[None], width, height)[0].clamp(0, 1).to(device)
