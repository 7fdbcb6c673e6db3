"""Pictures on the screen: GdkPixbufs, because the Python that GIMP comes with need not have cairo."""

from __future__ import annotations

from gi.repository import Babl, GdkPixbuf, Gegl, Gimp, GLib, Gtk

from plugin.gimp.layers import View
from plugin.protocol import Picture

_SCREEN = "R'G'B'A u8"


def of(picture: Picture) -> GdkPixbuf.Pixbuf:
    """A picture as it came through the pipe, 8 bits, with its alpha."""
    extent = Gegl.Rectangle.new(0, 0, picture.width, picture.height)
    buffer = Gegl.Buffer.new("R'G'B'A float", 0, 0, picture.width, picture.height)
    buffer.set(extent, "R'G'B'A float", bytes(picture.pixels))
    return made(buffer.get(extent, 1.0, _SCREEN, Gegl.AbyssPolicy.NONE), picture.width, picture.height)


def of_view(buffer: Gegl.Buffer, view: View) -> GdkPixbuf.Pixbuf:
    """What is in view of a buffer."""
    return made(view.get(buffer, _SCREEN), view.width, view.height)


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
