"""Class maps -> what a reader looks at."""
