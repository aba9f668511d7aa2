"""A table as columns: numbers, categories, dates, and the features that they become."""
