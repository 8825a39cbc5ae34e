"""Who waits for whom: six situations on the real local stack, with receives in random order as SQS gives them."""
