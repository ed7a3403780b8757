"""From a launch in the viewer to an open launch with a handle, and its tokens."""
