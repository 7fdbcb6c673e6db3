"""The one exception whose text is meant for a person."""


class Refusal(Exception):
    """One sentence: why something cannot be done and what to do."""
