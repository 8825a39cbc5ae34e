"""The HTTP gateway: webhook for SNS, health, metrics, circuit breaker. It queues deliveries and processes none."""
