"""What stands behind the pages, one module per family of pages."""
