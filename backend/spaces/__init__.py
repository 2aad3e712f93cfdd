"""Search spaces as stored, versioned objects."""
