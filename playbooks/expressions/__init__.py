"""CEL, the language of conditions: compiled, type-checked, and bounded in what it may cost."""
