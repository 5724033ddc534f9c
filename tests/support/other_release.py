"""``python -m tests.support.other_release VERSION MODULE ARGUMENTS``: runs MODULE of Weir as if it were of release VERSION."""

from __future__ import annotations

import runpy
import sys

import weir

_, version, module, *arguments = sys.argv
weir.__version__ = version
sys.argv = [module, *arguments]
runpy.run_module(module, run_name="__main__", alter_sys=True)
