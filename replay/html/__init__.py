"""A replay as one self-contained page: timeline, charts, alerts with the log lines behind them."""
