#!/usr/bin/env python3
"""Installs Neural Style for GIMP, checks it, or takes it away again: python3 install.py --help."""

# This file keeps to what every Python understands, so that an old one can say that it is too old.
import sys

if sys.version_info < (3, 10):  # noqa: UP036
    sys.exit(
        "Neural Style needs Python 3.10 or later and this is Python %d.%d; "  # noqa: UP031
        "install a newer Python and run install.py with it." % sys.version_info[:2]
    )

from plugin.install import installer

if __name__ == "__main__":
    sys.exit(installer.main())
