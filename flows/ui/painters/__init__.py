"""Values in, markup out: pictures and long lists that are painted without a template loop."""
