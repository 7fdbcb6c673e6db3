"""Pictures of the README, made anew."""

import plugin.engine  # noqa: F401  before torch: it says how threads wait
