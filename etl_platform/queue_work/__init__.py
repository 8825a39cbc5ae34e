"""What every consumer of a queue shares: leases on messages, bounded workers."""
