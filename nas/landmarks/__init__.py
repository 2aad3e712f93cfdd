"""Landmarks: architectures whose stand-alone accuracy is known to a run."""
