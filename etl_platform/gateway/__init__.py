"""The HTTP surface: the webhook of SNS, health, metrics, and the breaker. It works no delivery: SQS holds them all."""
