"""CDS Hooks 2.0: the card in the chart that says which chest studies nobody has reported on yet."""
