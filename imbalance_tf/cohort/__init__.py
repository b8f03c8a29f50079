"""Ground floor: scans on disk -> labelled slices in memory."""
