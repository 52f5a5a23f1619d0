"""The ground: words that every service shares. Imports no service and no engine."""
