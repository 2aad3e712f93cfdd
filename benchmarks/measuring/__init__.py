"""What the benchmark scripts share: executing a spec, finding data, reporting figures."""
