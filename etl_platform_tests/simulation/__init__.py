"""Seeded schedules of everything that can go wrong, run on the product's own code in virtual time."""
