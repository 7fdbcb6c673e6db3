"""The engine, in its own environment."""

import plugin.engine  # noqa: F401  before torch: it says how threads wait
