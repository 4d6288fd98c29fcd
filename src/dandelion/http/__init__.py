"""HTTP servers: where they listen, whom they believe, and how uvicorn runs them."""
