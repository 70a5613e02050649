"""How fast, beside what else: `python -m tests.benchmarks` from the root of the repository."""

import sys
from pathlib import Path

# The import path that pytest's setting `pythonpath` gives: `servers`, `support`.
sys.path.insert(0, str(Path(__file__).parents[1]))
