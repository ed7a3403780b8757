"""Rows that are the truth, a queue that nudges, and the worker that does the work."""
