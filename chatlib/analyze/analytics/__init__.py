"""The ChatAnalytics of the specification: its classes, the engine on columns, and the readers."""
