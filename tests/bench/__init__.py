"""Measurements; each runs by itself, with the engine's interpreter."""

import plugin.engine  # noqa: F401  before torch: it says how threads wait
