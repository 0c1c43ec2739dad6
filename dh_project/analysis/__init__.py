"""Analytics: what is read out of a search's results."""
