"""Benchmarks that compare the platform with other libraries. Compare ratios, because seconds depend on the machine."""
