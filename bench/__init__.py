"""Benchmarks: ratios against a named reference in the same run, because machines are noisy. `make bench` runs them."""
