"""For the person on call: the overview, reconciliation, agencies, and the counts of the day."""
