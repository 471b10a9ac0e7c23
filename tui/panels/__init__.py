"""The panels of the monitor: pure functions from a view to rows, and thin widgets that show them."""
