"""Downloads of networks that were trained alone."""
