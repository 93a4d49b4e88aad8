"""How kernels are compiled: once, before they are called, for the types of their signature; then kept on disk for other processes.

numba keeps compiled code beside the source, or in the user's cache folder where the source may not be written; where neither may,
every process compiles anew. It looks at nothing but the kernel's own file to see whether what it kept is still right, so that the name of a
kernel here holds a digest of all files that kernels are made of.

A kernel that allocates nothing, because arrays come from its caller, takes no part in reference counting: its helpers are inlined without
atomic operations in the innermost loop, which makes it several times faster.
"""

import hashlib
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy.typing as npt
from numba import njit, types

Array = npt.NDArray[Any]
Number = Any
"""What Python code says about the arguments of kernels; signatures say it exactly."""

BOOLS = types.Array(types.boolean, 1, "C", readonly=True)
UINT8S = types.Array(types.uint8, 1, "C", readonly=True)
INT32S = types.Array(types.int32, 1, "C", readonly=True)
INT64S = types.Array(types.int64, 1, "C", readonly=True)
UINT64S = types.Array(types.uint64, 1, "C", readonly=True)
"""What kernels read: possibly mapped from a file."""

OUT_BOOLS = types.Array(types.boolean, 1, "C")
OUT_UINT8S = types.Array(types.uint8, 1, "C")
OUT_INT32S = types.Array(types.int32, 1, "C")
OUT_INT64S = types.Array(types.int64, 1, "C")
OUT_UINT64S = types.Array(types.uint64, 1, "C")
"""What kernels write."""

_SIMPLE = ("double_array", "grams", "symbols", "skip_kernel", "scan_kernel", "stride_kernel")
_FILES = ("kernels.py", "hits.py", "similar/signatures.py", *(f"simple/{name}.py" for name in _SIMPLE))
_DIGEST = hashlib.sha256(b"".join(pkgutil.get_data("srp_assets.wordlists", file) or b"" for file in _FILES)).hexdigest()[:16]

_WITHOUT_REFERENCES = {"nogil": True, "_nrt": False}


def kernel(signature: Any, *, allocates: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compiles a function for one signature.

    Args:
        signature: its numba signature.
        allocates: whether it makes arrays of its own.
    """
    flags = {"nogil": True} if allocates else _WITHOUT_REFERENCES

    def compiled(function: Callable[..., Any]) -> Any:
        function.__qualname__ = f"{function.__qualname__}_{_DIGEST}"
        try:
            return njit(signature, cache=True, **flags)(function)
        except RuntimeError:  # no folder for the cache
            return njit(signature, **flags)(function)

    return compiled


def record(type_: type, *fields: Any) -> Any:
    """The numba type of a named tuple of fields."""
    return types.NamedTuple(fields, type_)


inlined = njit(forceinline=True, **_WITHOUT_REFERENCES)
"""A part of kernels that only has a name of its own: it becomes part of whatever kernel calls it."""
