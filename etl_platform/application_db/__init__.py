"""Queries on the application's PostgreSQL database, which belongs to another system."""
