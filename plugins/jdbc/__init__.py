"""SQL plugins: one family engine, one dialect per database. Type names follow Kestra's `jdbc` plugins."""
