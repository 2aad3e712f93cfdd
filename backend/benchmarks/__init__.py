"""Benchmarks as stored, versioned objects: the ground truth that rankings are compared with."""
