"""Events of deliveries, sent to a topic and to people; each channel gets each event at least once."""
