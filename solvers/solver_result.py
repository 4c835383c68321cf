"""What results of solvers have in common: fields readable as attributes and as items, as SciPy's are."""

from __future__ import annotations

__all__ = ["SolverResult"]


class SolverResult:
    """Base of solutions; ``status`` is negative where the solve failed."""

    status: int

    @property
    def success(self) -> bool:
        return self.status >= 0

    def __getitem__(self, name: str):
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    def keys(self) -> list[str]:
        """Names of the fields."""
        return [*(name for name in self.__dict__ if not name.startswith("_")), "success"]
