"""Buggy programs with labels: what `benchmarks.grouping` measures grouping with."""
