"""Pictures in and out: from the wire and from files, resized, and without holes."""

from __future__ import annotations

import io
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom
from torch import Tensor

from plugin.engine.refusal import Refusal
from plugin.shared import protocol
from plugin.shared.i18n import _

if TYPE_CHECKING:
    import PIL.Image
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
    """The ICC profile, which :func:`save` converts back to; only R'G'B' has one, all else becomes sRGB."""


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
    return decode(read(path), path.name)


def read(path: Path) -> bytes:
    """A file's content, which :func:`decode` takes.

    Raises:
        Refusal: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        sentence = _("“{name}” cannot be read ({error}); choose another picture.")
        raise Refusal(sentence.format(name=path, error=error.strerror)) from error


def decode(data: bytes, name: str) -> Loaded:
    """The same as :func:`load`, of a file's content. ``name`` is for the sentence when something is wrong.

    It is a picture if libvips or else Pillow opens it: libvips keeps 16 bits and more, Pillow knows more formats.
    """
    # libvips takes a tenth of a second to load, and GIMP's layers come without it.
    import pyvips

    try:
        return _decoded(_by_libvips(data, name))
    except pyvips.Error:
        pass
    try:
        return _decoded(_by_pillow(data, name))
    except (Refusal, MemoryError):
        raise
    except Exception as error:  # a damaged file may end in any of them
        raise _not_read(data, name) from error


_UNREAD = {
    (0, b"8BPS"): "Photoshop",
    (0, b"gimp xcf"): "XCF",
    (0, b"v/1\x01"): "OpenEXR",
    (0, b"#?RADIANCE"): "Radiance HDR",
    (0, b"\xff\x0a"): "JPEG XL",
    (4, b"JXL "): "JPEG XL",
    (4, b"ftyphe"): "HEIC",
    (4, b"ftypmif1"): "HEIC",
    (0, b"%PDF"): "PDF",
    (0, b"%!PS"): "PostScript",
    (0, b"\xc5\xd0\xd3\xc6"): "PostScript",
    (0, b"farbfeld"): "farbfeld",
}
"""Formats by a mark and its place in a file: those that libvips and Pillow need not know."""

_READ = {
    (0, b"\x89PNG"): "PNG",
    (0, b"\xff\xd8\xff"): "JPEG",
    (0, b"II*\0"): "TIFF",
    (0, b"MM\0*"): "TIFF",
    (0, b"II+\0"): "TIFF",
    (0, b"MM\0+"): "TIFF",
    (8, b"WEBP"): "WebP",
    (0, b"GIF8"): "GIF",
    (4, b"ftypavif"): "AVIF",
    (4, b"jP  "): "JPEG 2000",
    (0, b"DDS "): "DDS",
    (0, b"BM"): "BMP",
}
"""Those of which they know most kinds."""


def _format(data: bytes, marks: dict[tuple[int, bytes], str]) -> str:
    return next((name for (place, mark), name in marks.items() if data.startswith(mark, place)), "")


def _not_read(data: bytes, name: str) -> Refusal:
    if format := _format(data, _UNREAD):
        sentence = _(
            "“{name}” is in the format {format}, which cannot be read here; export it as PNG, from GIMP for instance, "
            "and choose that."
        )
    elif format := _format(data, _READ):
        sentence = _("“{name}” is damaged or a kind of {format} that cannot be decoded here; choose another picture.")
    else:
        sentence = _("“{name}” is not a picture that can be opened; choose a JPEG, PNG, TIFF or WebP.")
    return Refusal(sentence.format(name=name, format=format))


def _by_libvips(data: bytes, name: str) -> pyvips.Image:
    """A picture, upright, in what format it has.

    Raises:
        pyvips.Error: libvips cannot open it.
        Refusal: it is too small or far too large.
    """
    import pyvips

    # GIMP's TIFFs may have a thumbnail behind the picture that is not whole: an error, though nothing is cut off.
    strictness = "truncated" if _format(data, _READ) == "TIFF" else "error"
    image = pyvips.Image.new_from_buffer(data, "", fail_on=strictness)
    _check_area(image.width, image.height, name)
    return image.autorot()


def _by_pillow(data: bytes, name: str) -> pyvips.Image:
    """The same; besides, what goes wrong inside Pillow may be any exception."""
    import pyvips
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # this picture's size is looked at here
    picture: PIL.Image.Image = Image.open(io.BytesIO(data))
    if picture.format == "EPS":  # it is a program, which Pillow lets Ghostscript run
        raise ValueError(picture.format)
    _check_area(*picture.size, name)
    Image.MAX_IMAGE_PIXELS = LARGEST_AREA // 2  # for a picture in this one; twice as much is an error
    picture = ImageOps.exif_transpose(picture)
    samples, interpretation = _samples(picture)
    image = pyvips.Image.new_from_array(samples, interpretation=interpretation)
    if profile := picture.info.get("icc_profile"):
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


def _samples(picture: PIL.Image.Image) -> tuple[np.ndarray, str]:
    """The samples of any of Pillow's pictures, H×W or H×W×K, and libvips' name for what they are."""
    mode = picture.mode
    if mode == "CMYK":
        return np.asarray(picture), "cmyk"
    if mode.startswith("I"):  # 16 bits in one of several orders of bytes, or in 32
        return np.asarray(picture).clip(0, 65535).astype(np.uint16), "grey16"
    if mode == "F":
        return np.asarray(picture), "b-w"
    is_grey = mode in ("1", "L", "LA", "La")
    colors = "L" if is_grey else "RGB"
    plain = picture.convert(f"{colors}A" if picture.has_transparency_data else colors)
    return np.asarray(plain), "b-w" if is_grey else "srgb"


def _check_area(width: int, height: int, name: str) -> None:
    if width * height > LARGEST_AREA:
        sentence = _(
            "“{name}” would unpack to {width} × {height} pixels; choose a picture of at most {most} megapixels."
        )
        raise Refusal(sentence.format(name=name, width=width, height=height, most=LARGEST_AREA // 1_000_000))
    _check_size(width, height, f"“{name}”")


_TRANSFORM = {"intent": "relative", "black_point_compensation": True}
"""From one ICC profile to another, as GIMP does it."""


def _decoded(image: pyvips.Image) -> Loaded:
    deep = image.format != "uchar"
    grey = image.interpretation in ("b-w", "grey16")
    inks = image.interpretation == "cmyk"
    profile = _usable_profile(image)
    if image.interpretation in ("lab", "labs", "labq"):
        image = image.colourspace("rgb16")
    if image.format not in ("uchar", "ushort"):
        image = _sixteen_bits(image)
    if profile is not None:
        image = image.icc_transform("srgb", embedded=True, depth=16, **_TRANSFORM)
    elif inks:
        image = _from_inks(image)
    else:
        image = image.colourspace("rgb16" if deep else "srgb")
    has_alpha = image.hasalpha()
    if not has_alpha:
        image = image.bandjoin(65535 if image.format == "ushort" else 255)
    samples = image.numpy()
    rgba = torch.from_numpy(samples.astype(np.float32) / np.iinfo(samples.dtype).max)
    return Loaded(rgba.permute(2, 0, 1).contiguous(), grey, has_alpha, deep, None if grey or inks else profile)


def _usable_profile(image: pyvips.Image) -> bytes | None:
    """The ICC profile of a picture; None also for one that is damaged or of another color model, as in GIMP."""
    if not image.get_typeof("icc-profile-data"):
        return None
    from PIL import ImageCms

    modes = {"b-w": "L", "grey16": "L", "cmyk": "CMYK", "srgb": "RGB", "rgb16": "RGB", "rgb": "RGB", "scrgb": "RGB"}
    profile = image.get("icc-profile-data")
    try:
        # libvips would fall back to a profile of its own without a word.
        source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        ImageCms.buildTransform(source, target, modes[image.interpretation], "RGB")
    except (ImageCms.PyCMSError, OSError, KeyError, TypeError, ValueError):
        return None
    return bytes(profile)


def _sixteen_bits(image: pyvips.Image) -> pyvips.Image:
    """A picture of another format than 8 or 16 bits, unsigned, in 16 bits; what lies beyond 0 to 1 is cut off.

    A TIFF's numbers from 0 to 1 are as in its 8 bits of 0 to 255: linear only where a profile says so.
    """
    highest = {"char": 2**7 - 1, "short": 2**15 - 1, "int": 2**31 - 1, "uint": 2**32 - 1}.get(image.format, 1)
    kind = {"b-w": "grey16", "grey16": "grey16", "cmyk": "cmyk"}.get(image.interpretation, "rgb16")
    numbers = (image == image).ifthenelse(image, 0)  # without NaN, which is unlike itself
    return (numbers * (65535 / highest) + 0.5).cast("ushort").copy(interpretation=kind)


def _from_inks(image: pyvips.Image) -> pyvips.Image:
    """C, M, Y and K without a profile as R'G'B' of 16 bits: filters that lie one upon the other, as GIMP takes them."""
    through = 1 - image / (65535 if image.format == "ushort" else 255)
    light = (through[:3] * through[3]).copy(interpretation="scrgb").colourspace("rgb16")
    return light.bandjoin(((1 - through[4]) * 65535 + 0.5).cast("ushort")) if image.bands > 4 else light


WRITTEN = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".gif")
"""The endings of names that a picture can have: of all that libvips writes what is a picture and is read again."""

_OPAQUE = (".jpg", ".jpeg", ".jpe", ".jfif")
"""Names of formats without transparency."""


def check_name(path: Path) -> None:
    """Find out before the work, not after it, that a picture cannot have this name.

    Raises:
        Refusal: it says no format that is written here.
    """
    if path.suffix.lower() not in WRITTEN:
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
        if like.profile is not None:
            with tempfile.TemporaryDirectory() as folder:
                profile = Path(folder) / "profile.icc"
                profile.write_bytes(like.profile)
                image = image.icc_transform(
                    str(profile), input_profile="srgb", depth=16 if like.deep else 8, **_TRANSFORM
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
