"""Messages in the dead-letter queue: why they are there, and how they return to their queue."""
