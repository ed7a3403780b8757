"""`make bench`: the performance table, every figure a ratio to a baseline of the same run."""
