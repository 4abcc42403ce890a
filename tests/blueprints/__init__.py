"""The blueprints that ship with the product: each is without fault, and each that can run here runs."""
