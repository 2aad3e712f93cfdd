"""Builds: benchmarks that the workers make, training architectures alone."""
