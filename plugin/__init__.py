"""Neural Style for GIMP: Gatys' style transfer as a filter.

Two processes that never import each other: :mod:`plugin.gimp` runs in GIMP's Python, :mod:`plugin.engine` in an
environment of its own with torch. The modules beside this file are the floor that both stand on and import the standard
library alone.
"""

__version__ = "1.0.0"
