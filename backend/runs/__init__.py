"""Runs: their states, units, results and endpoints."""
