"""Ground floor: what everything is about. A case, a cohort of them, and what their labels mean."""
