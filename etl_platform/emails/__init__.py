"""The email archive: each message of the email queue becomes one JSON document."""
