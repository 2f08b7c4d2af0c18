"""What a run's predictions are worth: scores, tests, calibration, intervals, backtest.

Numbers in, numbers out: everything is computed from targets, logits and dates, by numpy.
"""
