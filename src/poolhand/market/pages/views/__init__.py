"""What each page asks of the API, and what its template is given."""
