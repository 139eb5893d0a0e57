"""The control side of Penstock: decides and applies, never carries a message."""
