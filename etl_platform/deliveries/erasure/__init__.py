"""Erasure of deliveries: which ones, what is stored of them, and its removal. Everything but a tombstone goes."""
