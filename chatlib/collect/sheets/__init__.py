"""ODS and CSV sheets: lists of channels and lists of streams."""
