"""A toy model: calls an image bright or dark. It shows that a folder is all a model needs."""
