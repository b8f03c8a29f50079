"""Patches -> class probabilities."""
