"""Labelled slices -> batches of patches."""
