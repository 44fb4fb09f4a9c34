"""Benchmarks: each prints ratios against its rival, measured in the same run."""
