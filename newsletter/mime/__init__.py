"""Reading any mail, however hostile: for the inbox and the checks."""
