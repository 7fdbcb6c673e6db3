"""The starter styles: which they are, and what their credit says of them."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from plugin.shared import paths

FOLDER = paths.SHIPPED / "styles"

FIRST = FOLDER / "van_gogh_village_street_in_auvers.jpg"
"""What the window opens with the first time."""

_CREDIT = re.compile(r"^\| `(?P<file>[^`]+)` \| (?P<artist>.+?), \*(?P<title>.+?)\*", re.MULTILINE)


@functools.cache
def titles() -> dict[Path, str]:
    """Every starter style with its title and artist, in the order of the credit."""
    credit = (FOLDER / "README.md").read_text(encoding="utf-8")
    return {FOLDER / found["file"]: f"{found['title']} – {found['artist']}" for found in _CREDIT.finditer(credit)}
