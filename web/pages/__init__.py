"""Server-rendered pages: proof that the API is enough, so they show nothing that it does not offer."""
