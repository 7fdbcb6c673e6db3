"""GIMP's pixels in and out: layers, colors, styles from files and from what is open, and where a painting goes."""
