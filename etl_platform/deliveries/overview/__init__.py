"""The overview of all agencies: what it is made of, and its HTML page. No Dagster; the UI's page is in defs/."""
