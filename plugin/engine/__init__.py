"""The engine: torch, torchvision, numpy, pillow and libvips, in an environment of their own; never gi."""

import os

# Threads that spin while they wait for each other make a job fifteen times slower beside any other busy program. OpenMP
# reads this when torch is imported, so it stands before that.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
