"""The installer: the engine's environment, the plug-in in GIMP, and the doctor. The standard library alone."""
