"""Pictures on the screen: GdkPixbufs, because the Python that GIMP comes with need not have cairo."""

from __future__ import annotations

from gi.repository import Babl, Gdk, GdkPixbuf, Gegl, Gimp, GLib, Gtk

from plugin.gimp.image.layers import SEEN, SENT, View
from plugin.shared.protocol import Picture


def of(picture: Picture) -> GdkPixbuf.Pixbuf:
    """A picture as it came through the pipe, 8 bits, with its alpha."""
    extent = Gegl.Rectangle.new(0, 0, picture.width, picture.height)
    buffer = Gegl.Buffer.new(SENT, 0, 0, picture.width, picture.height)
    buffer.set(extent, SENT, bytes(picture.pixels))
    return made(buffer.get(extent, 1.0, SEEN, Gegl.AbyssPolicy.NONE), picture.width, picture.height)


def of_view(buffer: Gegl.Buffer, view: View) -> GdkPixbuf.Pixbuf:
    """What is in view of a buffer."""
    return made(view.get(buffer, SEEN), view.width, view.height)


def made(samples: bytes, width: int, height: int) -> GdkPixbuf.Pixbuf:
    """A pixbuf of these R'G'B'A bytes."""
    data = GLib.Bytes.new(samples)
    return GdkPixbuf.Pixbuf.new_from_bytes(data, GdkPixbuf.Colorspace.RGB, True, 8, width, height, 4 * width)


def on_checks(pixbuf: GdkPixbuf.Pixbuf, width: int, height: int) -> GdkPixbuf.Pixbuf:
    """The same at another size, over the checkerboard that the person has chosen for GIMP."""
    size = 4 << int(Gimp.check_size())
    first, second = _check_colors()
    smooth = GdkPixbuf.InterpType.BILINEAR
    return pixbuf.composite_color_simple(width, height, smooth, 255, size, first, second)


def part(pixbuf: GdkPixbuf.Pixbuf, x: float, y: float, width: float, height: float) -> GdkPixbuf.Pixbuf:
    """A part of a pixbuf, as near as its pixels allow."""
    left, top = min(round(x), pixbuf.get_width() - 1), min(round(y), pixbuf.get_height() - 1)
    wide, high = min(round(width), pixbuf.get_width() - left), min(round(height), pixbuf.get_height() - top)
    return pixbuf.new_subpixbuf(left, top, max(1, wide), max(1, high))


def masked(after: GdkPixbuf.Pixbuf, before: GdkPixbuf.Pixbuf, mask: bytes) -> GdkPixbuf.Pixbuf:
    """``after`` where the mask, one byte for each pixel of ``before``, is 255; ``before`` where it is 0."""
    width, height = before.get_width(), before.get_height()
    scaled = after.scale_simple(width, height, GdkPixbuf.InterpType.BILINEAR)
    samples, result = bytearray(scaled.get_pixels()), bytearray(before.get_pixels())
    alpha = samples[3::4]
    samples[3::4] = mask if alpha.count(255) == len(alpha) else bytes(a * m // 255 for a, m in zip(alpha, mask))
    over, under = made(bytes(samples), width, height), made(bytes(result), width, height)
    over.composite(under, 0, 0, width, height, 0, 0, 1, 1, GdkPixbuf.InterpType.NEAREST, 255)
    return under


def fill(pixbuf: GdkPixbuf.Pixbuf, x: int, width: int, color: Gdk.RGBA) -> None:
    """Paint some of its columns, as far as it has them."""
    left, right = max(0, x), min(x + width, pixbuf.get_width())
    if left < right:
        red, green, blue = (round(255 * value) for value in (color.red, color.green, color.blue))
        columns = pixbuf.new_subpixbuf(left, 0, right - left, pixbuf.get_height())
        columns.fill(red << 24 | green << 16 | blue << 8 | 255)


def show(image: Gtk.Image, pixbuf: GdkPixbuf.Pixbuf) -> None:
    """Let a widget show a pixbuf so that each of its pixels is one of the screen's, however many a point has."""
    # As a pixbuf the picture would be enlarged by the scale factor; as an icon it is drawn as sharp as it is.
    image.set_from_gicon(pixbuf, Gtk.IconSize.DIALOG)
    image.set_pixel_size(max(pixbuf.get_width(), pixbuf.get_height()) // image.get_scale_factor())


def _check_colors() -> tuple[int, int]:
    """Both as 0xRRGGBB."""
    colors = Gegl.Color.new("black"), Gegl.Color.new("black")
    found = Gimp.checks_get_colors(Gimp.check_type(), *colors) or colors
    first, second = (int.from_bytes(color.get_bytes(Babl.format("R'G'B' u8")).get_data(), "big") for color in found)
    return first, second
