"""HTTP servers: addresses, sockets, connections, and how uvicorn runs them."""
