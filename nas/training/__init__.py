"""Training of supernets and of stand-alone networks."""
