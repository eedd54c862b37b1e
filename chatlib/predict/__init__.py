"""Represent viewers by what they wrote and when; tell donors from non-donors, honestly."""
