"""From a prediction to the report in the record."""
