"""Drafts a contract from delivered files, as a text for people to edit. Nothing here checks a delivery."""
