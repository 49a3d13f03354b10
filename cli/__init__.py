"""The command line: one file per command; parses arguments, calls the API, prints. No arithmetic."""
