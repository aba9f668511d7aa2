"""What src/generate.py writes, by the kind of file."""
