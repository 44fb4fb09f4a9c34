"""Dirty legacy databases for tests: generated from a seed, loaded, and compared by digest."""
