"""Training of the chest X-ray model: protocol, networks, probes, figures."""
