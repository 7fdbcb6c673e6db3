"""Make the README's pictures: ``python3 -m tests.gallery.make``, with the engine's interpreter.

``opening.jpg`` is painted anew. ``window.png`` is cut out of what the tests of the window photographed last, so run
``python3 -m tests gimp`` before it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from plugin.shared import paths
from tests import gimp_root

HERE = Path(__file__).parent
PHOTO = paths.SHIPPED / "samples" / "chelsea.jpg"
STYLE = paths.SHIPPED / "styles" / "hokusai_great_wave.jpg"
GAP = 8
DIALOG = (0, 0, 1019, 680)
"""Where the dialog stands on the tests' display, which has no window manager to move it."""


def opening() -> None:
    """The photograph, the painting whose style it gets, and what becomes of it at the defaults."""
    photo, style = Image.open(PHOTO), Image.open(STYLE)
    as_high = style.resize((style.width * photo.height // style.height, photo.height))
    panels: list[Image.Image] = [photo, as_high, painted()]
    sheet = Image.new("RGB", (sum(panel.width + GAP for panel in panels) - GAP, photo.height), "white")
    left = 0
    for panel in panels:
        sheet.paste(panel, (left, 0))
        left += panel.width + GAP
    sheet.save(HERE / "opening.jpg", quality=90)


def painted() -> Image.Image:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "painted.png"
        command = [sys.executable, "-m", "plugin", "stylize", str(PHOTO), str(STYLE), "-o", str(output)]
        subprocess.run(command, cwd=paths.PLUG_IN_ROOT, check=True)
        return Image.open(output).copy()


def window() -> None:
    """The dialog alone."""
    display = Image.open(gimp_root.cache() / "work" / "pictures" / "proof.png")
    display.crop(DIALOG).save(HERE / "window.png", optimize=True)


if __name__ == "__main__":
    opening()
    window()
