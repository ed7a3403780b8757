"""The article's X-ray classifier, repeated to see what its figures mean; never served."""
