"""Covid-19 on frontal chest radiographs of adults; research and demonstration only."""
