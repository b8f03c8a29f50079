"""What cannot be used, and why."""

from pathlib import Path

__all__ = ["CohortError"]


class CohortError(ValueError):
    """A folder cannot be used as a cohort. `problems` lists everything found, a line each."""

    def __init__(self, folder: Path, problems: list[str]):
        self.problems = problems
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"{folder} cannot be used as a cohort:{lines}")
