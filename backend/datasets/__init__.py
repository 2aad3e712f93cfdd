"""Image datasets as stored, versioned objects."""
