"""Lists from elsewhere: the exports of other houses and any CSV file, read, compared, and taken over."""
