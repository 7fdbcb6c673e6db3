"""What a new layer carries to tell how it was made, and to be made again."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gi.repository import Gimp

from plugin.gimp.layers import Look
from plugin.gimp.style import Style
from plugin.protocol import Result

NAME = "neural-style"


def make(look: Look, styles: Sequence[Style], regions: Sequence[str | None], result: Result) -> Gimp.Parasite:
    """The parasite for a layer: JSON in ASCII, saved with the image, undone with the layer.

    It has the engine's report: version, settings as they were given, seed, λ, device as it was found, losses of each
    scale, likeness. Besides: ``source``, the layer's name; ``styles``, each with its file's name, sha256 and region's
    name; ``losses``, the last ones; ``box``, what was styled, in the layer's coordinates.
    """
    last = result.trace[-1] if result.trace else {}
    told = {
        **result.report,
        "source": look.name,
        "styles": [
            {"name": style.name, "sha256": style.sha256, "region": where}
            for style, where in zip(styles, regions, strict=True)
        ],
        "losses": {name: last[name] for name in ("total", "content", "style", "tv") if name in last},
        "box": [look.box.x, look.box.y, look.box.width, look.box.height],
    }
    flags = Gimp.PARASITE_PERSISTENT | Gimp.PARASITE_UNDOABLE
    # The bytes are signed for GObject introspection; JSON in ASCII has none above 127.
    return Gimp.Parasite.new(NAME, flags, list(json.dumps(told).encode("ascii")))
