"""Threshold alerts: a small language, and a state machine on the tape's clock."""
