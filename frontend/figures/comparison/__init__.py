"""Figures of several runs: one trace and one colour per run, and in words how the runs differ."""
