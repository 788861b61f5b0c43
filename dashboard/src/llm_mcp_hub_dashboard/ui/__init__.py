"""What an admin sees: Reflex pages and the states behind them."""
