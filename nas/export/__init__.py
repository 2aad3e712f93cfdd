"""A network that was trained alone, in forms that need nothing of this package."""
