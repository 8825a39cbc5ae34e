"""A contract as frozen values, and how ODCS YAML is read into them."""
