"""What runs in GIMP's own Python: the standard library and gi, nothing else."""

import gi

gi.require_version("Atk", "1.0")
gi.require_version("Babl", "0.1")
gi.require_version("Gimp", "3.0")
gi.require_version("GimpUi", "3.0")
gi.require_version("Gegl", "0.4")
gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
