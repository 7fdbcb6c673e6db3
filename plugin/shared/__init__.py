"""The floor that GIMP's side, the engine and the installer stand on: the standard library alone."""
