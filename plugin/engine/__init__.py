"""The engine: torch, torchvision, numpy, pillow and libvips, in an environment of their own; never gi."""

import os

# Threads that spin while they wait for each other make a job fifteen times slower beside any other busy program, and
# threads that sleep at once cost it a tenth and more where it is alone. So they spin for a short while, then sleep.
# OpenMP reads this when torch is imported, so it stands before that: GNU's, which torch has on Linux, counts turns, and
# Intel's or LLVM's, which it has on Windows and on Macs, milliseconds.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
os.environ.setdefault("KMP_BLOCKTIME", "1")
