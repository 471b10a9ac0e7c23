"""The sub-commands of `flowtape`, one module each: `add_parser(subparsers)` and `run(args) -> int`."""
