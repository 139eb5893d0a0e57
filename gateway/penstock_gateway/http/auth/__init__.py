"""Ways to authenticate: where a credential is read and whose it is."""
