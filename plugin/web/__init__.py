"""What surrounds every request: server settings, headers, access log, error pages, health."""
