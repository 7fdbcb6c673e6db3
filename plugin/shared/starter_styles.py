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


def now(path: Path) -> Path:
    """Where the starter style is that an earlier version, or a plug-in that is gone, had at ``path``; or ``path``."""
    here = FOLDER / path.name
    was_one = path.parts[-3:-1] in (("plugin", "styles"), ("data", "styles"))  # 1.0.0 had no data folder
    return here if was_one and not path.exists() and here.is_file() else path
