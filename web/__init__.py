"""The roof: the only place that knows everybody."""
