"""The hospital as a CDS Hooks 2.0 client: it asks for cards when a chart is opened."""
