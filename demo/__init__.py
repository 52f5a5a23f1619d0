"""The demo's content: a pure, seeded plan of accounts, products, notes and activity, and the pictures for it."""
