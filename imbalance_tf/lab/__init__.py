"""The experiments: the roof over the three rooms."""
