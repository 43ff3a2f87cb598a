"""What a slot's token looks like, for those who must leave it whole in text; `slots` makes and reads them."""

import re

TOKEN = re.compile(r"slot[0-9a-f]{12}n\d+z")
TOKENS_ONLY = re.compile(rf"(?:\s*{TOKEN.pattern})+\s*\Z")
