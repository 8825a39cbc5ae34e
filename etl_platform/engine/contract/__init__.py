"""What a contract says: ODCS YAML to frozen values."""
