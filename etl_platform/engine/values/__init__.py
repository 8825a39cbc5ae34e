"""Cell text to typed values."""
