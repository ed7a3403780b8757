"""What the reading page asks for over HTTP: the patient, the studies, a reading and its result."""
