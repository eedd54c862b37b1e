"""One function per figure, from plain results to a matplotlib Figure; one module per notebook."""
