"""The command line: one command, one file. Uses the public API alone."""
