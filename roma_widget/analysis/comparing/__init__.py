"""Two runs side by side: which task of one is which of the other, and what is different. See docs/compare.md.

`alignment` pairs the tasks, `differences` says what has changed in a pair, `frames`, `figure`, `picture` and `diff`
show it, `compared.Compared` is all of them for two runs.
"""
