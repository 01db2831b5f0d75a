"""Compiling functions that only other compiled code calls: they are linked into their callers, and never run by themselves.

numba makes machine code of every function that it compiles. A function that is called by others is also kept in LLVM's own
form, linked into each caller and optimised there with the rest of it; its own machine code is never run. To make none saves a
fifth of the time of a first fit (measured).
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class _NoEnvironments:
    """Where numba notes the constants and globals of functions that may run in Python: such as are never made."""

    @staticmethod
    def set_env(name: str, environment: Any) -> None:
        """Note nothing."""


class _Part(JITCodeLibrary):
    """Code in LLVM's form, to be linked into other code."""

    codegen = _NoEnvironments()

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """0, numba's word for a function that isn't there."""
        self._ensure_finalized()
        return 0

    def serialize_using_object_code(self) -> Any:
        """For the disk cache: there is no object code."""
        return self.serialize_using_bitcode()


class _SeldomPart(_Part):
    """As a part, not even optimised: that is done where it is linked into."""

    def _optimize_final_module(self) -> None:
        cheap, builder = self._codegen._module_pass_manager(
            loop_vectorize=self._codegen._loopvect, slp_vectorize=False, opt=self._codegen._opt_level, cost="cheap"
        )
        cheap.run(self._final_module, builder)


class PartCompiler(Compiler):
    """numba's compiler, for functions that only other compiled code calls."""

    library_class = _Part

    def compile_extra(self, func: Any) -> Any:
        """Compile `func`."""
        self.state.library = self.library_class(self.state.targetctx.codegen(), func.__qualname__)
        return super().compile_extra(func)


class SeldomCompiler(PartCompiler):
    """As above, for functions that run seldom."""

    library_class = _SeldomPart
