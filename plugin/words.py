"""What people read, in their language.

The text in the code is English and the key to every translation; where there is none, it is what people read.
"""

from __future__ import annotations

import gettext
from pathlib import Path

DOMAIN = "neural-style"
CATALOGUES = Path(__file__).with_name("locale")

_ = gettext.translation(DOMAIN, CATALOGUES, fallback=True).gettext
"""Of a constant text. A text with values in it is translated first and then filled: ``_("{a} of {b}").format(…)``."""
