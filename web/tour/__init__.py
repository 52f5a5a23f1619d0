"""The story of the house, played against a running server as its clients would: `offshelf tour`."""
