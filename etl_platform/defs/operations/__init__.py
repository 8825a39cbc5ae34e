"""For the person on call: the first screen (overview), reconciliation, agencies, and the counts of the day."""
