"""One row per viewer and stream: what was known, and whether they paid."""
