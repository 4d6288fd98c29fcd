"""The web page. It reads and writes everything through the API."""
