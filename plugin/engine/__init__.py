"""The engine: torch, torchvision, numpy, pillow and libvips, in an environment of their own; never gi."""
