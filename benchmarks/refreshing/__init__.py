"""The simulator behind `benchmarks/refresh.py`: a world, policies, a report."""
