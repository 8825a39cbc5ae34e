"""Messages in the dead-letter queue: why they died, and the way back."""
