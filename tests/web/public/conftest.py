"""The public pages over each kind of list."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from newsletter.audience.roster import put
from newsletter.audience.subscriber import Subscriber
from tests.web.public.site import ADA, Site, public_site


@pytest_asyncio.fixture(params=["csv", "database"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    source = "database" if request.param == "database" else "subscribers.csv"
    async with public_site(tmp_path, source=source) as site:
        if source == "database":
            put(site.public.roster, [Subscriber(ADA, "Ada Moreau", {"city": "Lyon", "tags": "essays"})])
        yield site
