"""Slow NumPy versions of the papers' formulas, written from the paper and not from our code."""
