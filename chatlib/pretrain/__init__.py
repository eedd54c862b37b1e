"""The chat's own language model: corpus, training, evaluation, and messages as vectors."""
