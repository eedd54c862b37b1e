"""Adapt a BERT-like masked language model to chat, judge it, and encode messages with it."""

import warnings

from tqdm import TqdmWarning

with warnings.catch_warnings():  # in a notebook without ipywidgets; its bars are of no use here
    warnings.simplefilter("ignore", TqdmWarning)
    import tqdm.auto  # noqa: F401
