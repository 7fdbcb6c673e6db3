#!/usr/bin/env python3
"""The front door: GIMP runs this file, which it knows as ``neural-style.py``, and Neural Style registers itself."""

import sys
from pathlib import Path

# The package lies beside this file, whether the installer copied both into the profile or linked them there.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from plugin.gimp import procedure

procedure.main(sys.argv)
