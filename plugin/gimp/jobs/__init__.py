"""From what is asked for to the engine's answer: request, run, session, provenance."""
