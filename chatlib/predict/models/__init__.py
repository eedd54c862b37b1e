"""The donor transformer as first described, the blend, and what they must beat."""
