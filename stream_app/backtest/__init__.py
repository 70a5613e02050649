"""Rules on past events, by the code that judges and tells in the live service; and tests of rules files."""

from stream_app.backtest.messages import Sent
from stream_app.backtest.rulesfile import named_dimensions, read_rules
from stream_app.backtest.run import Backtest, backtest
from stream_app.backtest.suite import Outcome, run_tests

__all__ = ["Backtest", "Outcome", "Sent", "backtest", "named_dimensions", "read_rules", "run_tests"]
