"""A toy model that uses everything a folder may have: organ, interpretation, aside."""
