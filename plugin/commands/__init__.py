"""One module per sub-command of `wetread`, imported when it is called."""
