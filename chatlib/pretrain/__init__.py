"""Adapt a BERT-like masked language model to chat, judge it, and encode messages with it."""
