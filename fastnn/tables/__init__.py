"""Tables: files of rows and columns, the kinds of their columns, and their encoding as numbers."""
