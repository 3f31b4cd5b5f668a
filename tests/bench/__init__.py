"""The figures that the product promises, measured as counts and ratios in one run: ``python -m tests.bench``."""
