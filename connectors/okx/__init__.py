"""OKX v5: spot, swaps and dated futures."""
