"""What every queue consumer shares: leases on messages and bounded parallel work."""
