"""The checks of the contract, one subject a file."""
