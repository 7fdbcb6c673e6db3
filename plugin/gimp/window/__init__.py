"""The window, in GTK."""
