"""A list of subscribers in a CSV file: encoding and quoting, header, rows, duplicates."""
