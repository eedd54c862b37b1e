"""Live chat into knowledge: collect, pre-train, predict, analyze."""

__version__ = "0.1.0"
