"""Tables larger than memory: a sample of the rows, and all rows in temporary files."""
