"""Adapt a BERT-like masked language model to chat, judge it, and encode messages with it."""

import os
import warnings

from tqdm import TqdmWarning

# Threads that wait by spinning make torch a hundred times slower where other programs want the
# same cores. Must be said before torch is loaded; whoever says otherwise is obeyed.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

with warnings.catch_warnings():  # in a notebook without ipywidgets; its bars are of no use here
    warnings.simplefilter("ignore", TqdmWarning)
    import tqdm.auto  # noqa: F401
