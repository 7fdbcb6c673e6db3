"""Neural Style for GIMP: Gatys' style transfer as a filter.

Two processes that never import each other: :mod:`plugin.gimp` runs in GIMP's Python, :mod:`plugin.engine` in an
environment of its own with torch. Both stand on :mod:`plugin.shared`, and :mod:`plugin.install` sets everything up;
these two import the standard library alone. README.md beside this file is the map.
"""

__version__ = "1.0.0"
