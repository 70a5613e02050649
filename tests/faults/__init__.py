"""Real faults on a real Kafka, each scenario compared cell by cell: `python -m tests.faults` from the root."""

import sys
from pathlib import Path

# The import path that pytest's setting `pythonpath` gives: `servers`, `support`, `faults`.
if str(Path(__file__).parents[1]) not in sys.path:
    sys.path.insert(0, str(Path(__file__).parents[1]))
