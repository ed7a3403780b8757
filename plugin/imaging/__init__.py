"""The patient's studies and their images: find, fetch, prove whose they are, show."""
