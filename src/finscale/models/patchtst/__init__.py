"""PatchTST: sizes, budgets, counts and the network."""
