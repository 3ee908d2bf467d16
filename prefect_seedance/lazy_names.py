"""Names that a package offers and loads only when asked for (PEP 562), so that importing it stays cheap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(
    package: str, homes: Mapping[str, str], foundations: Mapping[str, str] | None = None
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: The package's ``__name__``.
        homes: For each public name the module below the package that defines it.
        foundations: For each room of the package that stands on a large library, that library: it is imported first.
            The room would import it too, but from many frames deep, where CPython (seen on 3.11) maps and unmaps memory
            for its stack ten thousand times: 5 % of an import of Prefect.
    """

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        foundation = (foundations or {}).get(homes[name].partition(".")[0])
        if foundation is not None:
            __import__(foundation)  # each frame counts: import_module is two more
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return load, lambda: sorted(homes)
