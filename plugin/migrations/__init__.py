"""Changes of the database's tables, in order; `versions/` holds one file for each."""
