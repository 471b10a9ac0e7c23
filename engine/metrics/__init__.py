"""Incremental calculators, one idea a module, and the registry that names what they compute."""
