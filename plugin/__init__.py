"""Wetread's Flask application."""
