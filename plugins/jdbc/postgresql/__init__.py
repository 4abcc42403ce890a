"""PostgreSQL: the dialect of the SQL family, and COPY."""
