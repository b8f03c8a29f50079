"""What cannot be used, and why."""

from pathlib import Path

from .names import one_line


class CohortError(ValueError):
    """A folder cannot be used as a cohort; `problems` lists everything found, one line each.

    Examples
    --------
    >>> CohortError("cases", ["case_1: no segmentation"])
    CohortError('cases cannot be used as a cohort:\\n  - case_1: no segmentation')
    """

    def __init__(self, folder: str | Path, problems: list[str]) -> None:
        self.problems = [one_line(problem) for problem in problems]
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"{folder} cannot be used as a cohort:{lines}")
