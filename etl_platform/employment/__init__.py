"""The employment-history export from the application database."""
