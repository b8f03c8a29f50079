"""A folder of scans -> a Cohort."""
