"""One file per runtime, behind one interface."""
