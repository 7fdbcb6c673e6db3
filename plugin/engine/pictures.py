"""Pictures in and out: from the wire and from files, resized, and without holes."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom
from torch import Tensor

from plugin import protocol
from plugin.engine.refusal import Refusal
from plugin.words import _

if TYPE_CHECKING:
    import pyvips

SMALLEST_SIDE = 32
"""Pixels. Below this VGG-16's deepest feature map has next to no positions left to make statistics of."""

LARGEST_AREA = 200_000_000
"""Pixels. A file that unpacks to more is taken for a decompression bomb."""

LUMA = (0.299, 0.587, 0.114)
"""Of R'G'B' (ITU-R BT.601), as in the YIQ space of Gatys et al. 2016, *Preserving Color in Neural Artistic Style
Transfer*, section 3.2."""


@dataclass(frozen=True)
class Loaded:
    """A decoded file: 4×H×W float32 R'G'B'A, sRGB-encoded, 0 to 1, and what its own file said of it."""

    rgba: Tensor
    grey: bool
    has_alpha: bool
    deep: bool
    """More than 8 bits a sample."""
    profile: bytes | None
    """The ICC profile, which :func:`save` converts back to."""


def from_wire(picture: protocol.Picture) -> Tensor:
    """4×H×W float32, R'G'B'A, 0 to 1.

    Raises:
        Refusal: the picture is too small.
    """
    _check_size(picture.width, picture.height, _("The picture"))
    samples = np.frombuffer(picture.pixels, np.float32).reshape(picture.height, picture.width, 4)
    return torch.from_numpy(samples.copy()).permute(2, 0, 1).contiguous().nan_to_num_(0.0).clamp_(0, 1)


def mask_from_wire(mask: protocol.Mask) -> Tensor:
    """H×W float32, 0 to 1."""
    samples = np.frombuffer(mask.samples, np.float32).reshape(mask.height, mask.width)
    return torch.from_numpy(samples.copy()).nan_to_num_(0.0).clamp_(0, 1)


def to_wire(rgba: Tensor) -> protocol.Picture:
    """The reverse of :func:`from_wire`."""
    samples = rgba.permute(1, 2, 0).to("cpu", torch.float32).contiguous().numpy()
    return protocol.Picture(samples.shape[1], samples.shape[0], samples.data.cast("B"))


def open_style(style: protocol.Picture | protocol.PictureFile) -> Tensor:
    """A style picture, 4×H×W as :func:`from_wire` gives it.

    Raises:
        Refusal: the file is no picture, too small or far too large.
    """
    if isinstance(style, protocol.Picture):
        return from_wire(style)
    return decode(bytes(style.data), style.name).rgba


def load(path: Path) -> Loaded:
    """Read a picture file: turned as its EXIF orientation says, converted from its ICC profile to sRGB.

    Raises:
        Refusal: there is no such file, it is no picture, too small or far too large.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        sentence = _("“{name}” cannot be read ({error}); choose another picture.")
        raise Refusal(sentence.format(name=path, error=error.strerror)) from error
    return decode(data, path.name)


def decode(data: bytes, name: str) -> Loaded:
    """The same as :func:`load`, of a file's content. ``name`` is for the sentence when something is wrong."""
    # libvips takes a tenth of a second to load, and GIMP's layers come without it.
    import pyvips

    try:
        image = pyvips.Image.new_from_buffer(data, "", fail_on="error")
    except pyvips.Error as error:
        sentence = _("“{name}” is not a picture that can be opened; choose a JPEG, PNG, TIFF or WebP.")
        raise Refusal(sentence.format(name=name)) from error
    if image.width * image.height > LARGEST_AREA:
        sentence = _(
            "“{name}” would unpack to {width} × {height} pixels; choose a picture of at most {most} megapixels."
        )
        raise Refusal(
            sentence.format(name=name, width=image.width, height=image.height, most=LARGEST_AREA // 1_000_000)
        )
    _check_size(image.width, image.height, f"“{name}”")
    try:
        return _decoded(image)
    except pyvips.Error as error:
        sentence = _("“{name}” is damaged and cannot be decoded; choose another picture.")
        raise Refusal(sentence.format(name=name)) from error


def _decoded(image: pyvips.Image) -> Loaded:
    deep = image.format not in ("uchar", "char")
    grey = image.interpretation in ("b-w", "grey16")
    image = image.autorot()
    profile = image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else None
    if profile is not None:
        image = image.icc_transform("srgb", embedded=True, intent="relative", depth=16)
    else:
        image = image.colourspace("rgb16" if deep else "srgb")
    has_alpha = image.hasalpha()
    if not has_alpha:
        image = image.bandjoin(65535 if image.format == "ushort" else 255)
    samples = image.numpy()
    rgba = torch.from_numpy(samples.astype(np.float32) / np.iinfo(samples.dtype).max)
    return Loaded(rgba.permute(2, 0, 1).contiguous(), grey, has_alpha, deep, profile)


_OPAQUE = (".jpg", ".jpeg", ".jpe", ".jfif")
"""Names of formats without transparency."""


def check_name(path: Path) -> None:
    """Find out before the work, not after it, that a picture cannot have this name.

    Raises:
        Refusal: it says no format that is written here.
    """
    import pyvips

    if path.suffix.lower() not in pyvips.get_suffixes():
        raise _not_written(path)


def _not_written(path: Path) -> Refusal:
    sentence = _(
        "“{name}” cannot be written; choose a name that ends in .png, .tif, .jpg or .webp in a folder you may write to."
    )
    return Refusal(sentence.format(name=path))


def save(rgba: Tensor, path: Path, like: Loaded) -> None:
    """Write a picture in the format that ``path``'s name says, with depth, alpha, grey and profile as in ``like``.

    Raises:
        Refusal: the format is unknown, or the file cannot be written.
    """
    import pyvips

    depth = 65535 if like.deep else 255
    samples = (rgba.clamp(0, 1) * depth).round().permute(1, 2, 0).contiguous().cpu().numpy()
    image = pyvips.Image.new_from_array(samples.astype(np.uint16 if like.deep else np.uint8))
    image = image.copy(interpretation="rgb16" if like.deep else "srgb")
    if not like.has_alpha:
        image = image[:3]
    elif path.suffix.lower() in _OPAQUE:
        image = image.flatten(background=depth)  # on white; left to itself the format has black there
    try:
        if like.profile is not None and not like.grey:
            with tempfile.TemporaryDirectory() as folder:
                profile = Path(folder) / "profile.icc"
                profile.write_bytes(like.profile)
                image = image.icc_transform(
                    str(profile), input_profile="srgb", intent="relative", depth=16 if like.deep else 8
                ).copy_memory()
        elif like.grey:
            image = image.colourspace("grey16" if like.deep else "b-w")
        image.write_to_file(str(path))
    except pyvips.Error as error:
        raise _not_written(path) from error


def resize(image: Tensor, width: int, height: int, wraps: bool = False) -> Tensor:
    """A K×H×W picture at another size, without aliasing; what cubic interpolation overshoots is left in.

    ``wraps`` lets an enlarged picture meet itself left and right, top and bottom.
    """
    if image.shape[-2:] == (height, width):
        return image
    larger = width * height > image.shape[-1] * image.shape[-2]
    if larger and wraps:
        return _enlarge_around(image, width, height)
    mode = "bicubic" if larger else "bilinear"
    return F.interpolate(image[None], size=(height, width), mode=mode, antialias=not larger, align_corners=False)[0]


def _enlarge_around(image: Tensor, width: int, height: int) -> Tensor:
    margin = 3  # as far as cubic interpolation looks, and one more
    around = F.pad(image[None], (margin,) * 4, "circular")
    places = []
    for length, new in ((image.shape[-1], width), (image.shape[-2], height)):
        centers = (torch.arange(new, device=image.device) + 0.5) * (length / new) + margin
        places.append(centers * (2 / (length + 2 * margin)) - 1)
    grid = torch.stack(torch.meshgrid(*places, indexing="xy"), -1)
    return F.grid_sample(around, grid[None].to(image.dtype), mode="bicubic", align_corners=False)[0]


def fit(width: int, height: int, long_side: int, step: int = 1) -> tuple[int, int]:
    """Width and height in proportion, both of them a multiple of ``step`` and at least 16 pixels.

    The longer one is ``long_side``, or what multiple of ``step`` is next to it.
    """
    factor = long_side / max(width, height)
    fitted = (max(16, round(side * factor / step) * step) for side in (width, height))
    return next(fitted), next(fitted)


def periodic(image: Tensor) -> Tensor:
    """A K×H×W picture without the steps where its opposite edges meet.

    What is taken away is the smoothest picture that has the same steps (Moisan 2011, *Periodic plus Smooth Image
    Decomposition*, section 2).
    """
    height, width = image.shape[-2:]
    steps = torch.zeros_like(image)
    across, down = image[..., -1] - image[..., 0], image[..., -1, :] - image[..., 0, :]
    steps[..., 0] += across
    steps[..., -1] -= across
    steps[..., 0, :] += down
    steps[..., -1, :] -= down
    rows, columns = (
        2 * torch.cos(2 * math.pi * torch.arange(length, device=image.device) / length) for length in (height, width)
    )
    laplacian = rows[:, None] + columns - 4
    laplacian[0, 0] = 1
    smooth = torch.fft.fft2(steps) / laplacian
    smooth[..., 0, 0] = 0
    return image - torch.fft.ifft2(smooth).real


def recolor(image: Tensor, like: Tensor, of: Tensor | None = None, of_like: Tensor | None = None) -> Tensor:
    """A K×H×W picture with the mean and the covariance of another one's colors.

    The linear map that moves the colors least (Pitié and Kokaram 2007, *The Linear Monge-Kantorovitch Linear Colour
    Mapping*, section 4), as Gatys et al. 2016, *Preserving Color in Neural Artistic Style Transfer*, section 3.1.

    Args:
        of: H×W, how much each pixel of ``image`` counts; None counts all alike.
        of_like: h×w, the same of ``like``.
    """
    mean, covariance = _color_statistics(image, of)
    target_mean, target = _color_statistics(like, of_like)
    root, inverse_root = _power(covariance, 0.5), _power(covariance, -0.5)
    change = inverse_root @ _power(root @ target @ root, 0.5) @ inverse_root
    shift = target_mean - change @ mean
    return (change.to(image) @ image.flatten(1) + shift.to(image)[:, None]).view_as(image)


def _color_statistics(image: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean, K, and covariance, K×K, in double precision and on the processor, since not every device has that."""
    pixels = image.flatten(1).cpu().double()
    share = torch.ones_like(pixels[:1]) if weights is None else weights.flatten()[None].cpu().double()
    share = share / share.sum()
    mean = (pixels * share).sum(1)
    apart = pixels - mean[:, None]
    return mean, (apart * share) @ apart.T


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """Of a symmetric matrix without negative eigenvalues; where colors hardly vary, the least is 1e-5."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(1e-5).pow(exponent)) @ vectors.T


def region(mask: Tensor, content: Tensor) -> Tensor:
    """H×W of the content's size, 0 to 1, from a 4×h×w picture of a mask: white is inside, black and transparent out."""
    return resize(luma(mask[:3]) * mask[3:], content.shape[-1], content.shape[-2])[0].clamp(0, 1)


def luma(rgb: Tensor) -> Tensor:
    """1×H×W of 3×H×W."""
    red, green, blue = LUMA  # as numbers: a tensor of them would have to be copied to the device
    return red * rgb[:1] + green * rgb[1:2] + blue * rgb[2:3]


def fill_transparent(rgba: Tensor) -> Tensor:
    """3×H×W without holes: where alpha is 0 the colors around flow in, so that no edge stands where nothing is seen.

    The push–pull of Gortler et al. 1996, *The Lumigraph*, section 3.3.
    """
    alpha = rgba[3:]
    if bool((alpha > 0).all()):
        return rgba[:3]
    return _push_pull(rgba[:3] * (alpha > 0), (alpha > 0).float())


def _push_pull(color: Tensor, weight: Tensor) -> Tensor:
    """``color`` is premultiplied by ``weight``, which is 1 where it is known and less to 0 where it is not."""
    if min(color.shape[-2:]) <= 1:
        return color.sum((1, 2), keepdim=True) / weight.sum().clamp_min(1e-6) + torch.zeros_like(color)
    height, width = color.shape[-2:]
    smaller = F.avg_pool2d(torch.cat([color, weight])[None], 2, ceil_mode=True, count_include_pad=False)[0]
    gain = (2 * smaller[3:]).clamp_max(1) / smaller[3:].clamp_min(1e-6)
    around = resize(_push_pull(smaller[:3] * gain, smaller[3:] * gain), width, height)
    return color + (1 - weight) * around


def bring_up(small: Tensor, small_guide: Tensor, guide: Tensor) -> Tensor:
    """A K×h×w picture at the size of ``guide``, with edges as sharp as the guide's.

    Where the small picture follows the small guide, what the guide has beyond the small one's resolution is added in
    the same proportion: the local linear model of He and Sun 2015, *Fast Guided Filter*, applied to the detail alone,
    so that strokes which the guide knows nothing of stay as they are.

    Args:
        small: the painted picture, 0 to 1.
        small_guide: 1×h×w, the original's luma at the small size.
        guide: 1×H×W, the original's luma.
    """
    height, width = guide.shape[-2:]
    mean_guide, mean_small = _box(small_guide), _box(small)
    covariance = _box(small_guide * small) - mean_guide * mean_small
    variance = _box(small_guide.square()) - mean_guide.square()
    slope = (covariance / (variance + 1e-3)).clamp(-1, 1)
    detail = guide - resize(small_guide, width, height)
    return (resize(small, width, height) + resize(slope, width, height) * detail).clamp_(0, 1)


def _box(image: Tensor) -> Tensor:
    """The mean over 5×5 pixels, fewer at the edges."""
    return F.avg_pool2d(image[None], 5, stride=1, padding=2, count_include_pad=False)[0]


def _check_size(width: int, height: int, subject: str) -> None:
    if min(width, height) < SMALLEST_SIDE:
        sentence = _("{picture} is {width} × {height} pixels; choose one of at least {least} × {least}.")
        raise Refusal(sentence.format(picture=subject, width=width, height=height, least=SMALLEST_SIDE))
