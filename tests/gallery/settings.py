"""Make the README's pictures of what the settings do: ``python3 -m tests.gallery.settings``.

With the engine's interpreter; on a graphics card it takes half a minute, on a processor half an hour. Names after the
command (``strength colors``) make only these.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from plugin.engine import pictures
from plugin.engine.machine import devices
from plugin.engine.transfer.canvas import Style
from plugin.engine.transfer.transfer import StyleTransfer, Task
from plugin.shared import paths
from plugin.shared.settings import Settings

HERE = Path(__file__).parent
WAVE, AUVERS, KANDINSKY, POPPIES = (
    "hokusai_great_wave",
    "van_gogh_village_street_in_auvers",
    "kandinsky_composition_viii",
    "hokusai_poppies",
)
HEIGHT, GAP, CAPTION = 200, 6, 24

Panel = tuple[str, Image.Image]


@cache
def photo() -> Tensor:
    return pictures.load(paths.SHIPPED / "samples" / "chelsea.jpg").rgba


@cache
def engine() -> StyleTransfer:
    devices.use_threads()
    return StyleTransfer(devices.choose("auto"))


def style(name: str, region: Tensor | None = None) -> Style:
    return Style(pictures.load(paths.SHIPPED / "styles" / f"{name}.jpg").rgba, name, region)


def painted(*styles: Style | str, **changes: object) -> Image.Image:
    chosen = [style(each) if isinstance(each, str) else each for each in styles]
    return as_image(engine().paint(Task(photo(), chosen, Settings(**changes))))  # type: ignore[arg-type]


def as_image(rgba: Tensor) -> Image.Image:
    return Image.fromarray((rgba[:3].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())


def strength() -> list[Panel]:
    return [(f"strength {value}", painted(WAVE, strength=value)) for value in (0, 25, 50, 75, 100)]


def style_scale() -> list[Panel]:
    return [(f"style-scale {value} %", painted(KANDINSKY, style_scale=value)) for value in (50, 100, 200)]


def measures() -> list[Panel]:
    found = [(f"style-measure {name}", painted(AUVERS, style_measure=name)) for name in MEASURES]
    return [*found, ("content-measure ssim", painted(AUVERS, content_measure="ssim"))]


MEASURES = ("wasserstein", "euclidean", "mahalanobis")


def colors() -> list[Panel]:
    return [
        (f"preserve-colors {name}", painted(AUVERS, preserve_colors=name)) for name in ("off", "luminance", "histogram")
    ]


def regions() -> list[Panel]:
    height, width = photo().shape[-2:]
    left = (1 - (torch.linspace(-4, 4, width).sigmoid() - 0.5) * 1.04 - 0.5).clamp(0, 1).expand(height, width)
    return [
        ("a region for each of two styles", painted(style(WAVE, left), style(AUVERS, 1 - left))),
        ("both styles everywhere: blend 50,50", painted(WAVE, AUVERS, blend="50,50")),
    ]


def tileable() -> list[Panel]:
    panels = []
    for value in (False, True):
        tile = painted(POPPIES, tileable=value, strength=75)
        field = Image.new("RGB", (tile.width * 2, tile.height * 2))
        for x in (0, 1):
            for y in (0, 1):
                field.paste(tile, (x * tile.width, y * tile.height))
        panels.append((f"tileable {'on' if value else 'off'}, laid 2 × 2", field))
    return panels


def styles() -> list[Panel]:
    names = sorted(path.stem for path in (paths.SHIPPED / "styles").glob("*.jpg"))
    return [(name.replace("_", " "), painted(name)) for name in names]


def sheet(panels: Sequence[Panel], columns: int) -> Image.Image:
    """The panels, all as high as each other, with their captions below."""
    font = ImageFont.load_default(size=15)
    small = [(text, image.resize((image.width * HEIGHT // image.height, HEIGHT))) for text, image in panels]
    width = max(image.width for _, image in small) + GAP
    rows = -(-len(small) // columns)
    whole = Image.new("RGB", (columns * width - GAP, rows * (HEIGHT + CAPTION)), "white")
    for place, (text, image) in enumerate(small):
        x, y = place % columns * width, place // columns * (HEIGHT + CAPTION)
        whole.paste(image, (x, y))
        ImageDraw.Draw(whole).text((x + 2, y + HEIGHT + 3), text.replace("×", "x"), "black", font)
    return whole


SHEETS: dict[str, tuple[Callable[[], list[Panel]], int]] = {
    "strength": (strength, 5),
    "style-scale": (style_scale, 3),
    "measures": (measures, 4),
    "colors": (colors, 3),
    "regions": (regions, 2),
    "tileable": (tileable, 2),
    "styles": (styles, 4),
}


def main(names: Sequence[str]) -> None:
    for name in names or SHEETS:
        make, columns = SHEETS[name]
        sheet(make(), columns).save(HERE / f"{name}.jpg", quality=88)


if __name__ == "__main__":
    main(sys.argv[1:])
