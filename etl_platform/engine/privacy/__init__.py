"""Which values may be shown, and how the others are masked."""
