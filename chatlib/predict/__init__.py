"""Represent viewers by what they wrote and when; tell donors from non-donors, honestly."""

from chatlib import pretrain as pretrain  # sets how threads wait, before torch is loaded
