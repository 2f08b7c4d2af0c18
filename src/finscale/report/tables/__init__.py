"""The report's tables, from a study's findings."""
