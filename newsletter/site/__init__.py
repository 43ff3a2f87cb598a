"""Posts and the site that they live in: front matter, dates, addresses, Jekyll, Hugo, finding them."""
