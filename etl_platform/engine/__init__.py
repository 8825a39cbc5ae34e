"""One file against one contract: reads, checks, splits and profiles it. Imports nothing else of the platform."""
