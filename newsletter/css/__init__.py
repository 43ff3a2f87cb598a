"""Style sheets: parsed, cascaded, computed; one cascade for inlining and for checks."""
