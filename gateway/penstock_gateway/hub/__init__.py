"""Where streams meet clients: rings of what was delivered, passes that send it, and what happens to slow and returning clients."""
