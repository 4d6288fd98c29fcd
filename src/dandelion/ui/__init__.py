"""The web page: everything it shows and does goes through the API."""
