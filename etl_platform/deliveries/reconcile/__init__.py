"""What is missing or overdue: what arrived compared with what is recorded and stored."""
