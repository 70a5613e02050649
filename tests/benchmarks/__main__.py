"""`python -m tests.benchmarks`."""

import sys

from tests.benchmarks.throughput import main

sys.exit(main())
