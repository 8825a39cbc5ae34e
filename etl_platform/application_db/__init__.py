"""The application's PostgreSQL database: agencies and rows."""
