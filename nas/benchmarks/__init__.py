"""Benchmarks: tables of stand-alone results, the ground truth that rankings are compared with."""
