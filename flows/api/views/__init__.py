"""The functions behind the addresses, one module per resource: each reads the request, calls one function, renders the answer."""
