"""The mapping language (Bento's Bloblang): text in, closures out. Pure: clock, randomness, files and variables are handed in."""
