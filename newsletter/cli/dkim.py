"""`dkim`: the key that messages are signed with, and the DNS record that goes with it."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from newsletter.cli.console import note, short_path

if TYPE_CHECKING:
    from newsletter.config.settings import Config


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Sign messages with DKIM.", no_args_is_help=True, rich_markup_mode=None)
    group.callback()(_group)
    group.command()(generate)
    app.add_typer(group, name="dkim")


def _group() -> None:
    """Sign messages with DKIM."""


def generate(
    context: typer.Context,
    domain: Annotated[
        str | None, typer.Option("--domain", metavar="D", help="Signs for this domain; that of the author's address.")
    ] = None,
    selector: Annotated[
        str, typer.Option("--selector", metavar="S", help="Tells this key from the domain's others in DNS.")
    ] = "newsletter",
    kind: Annotated[
        Literal["rsa", "ed25519"], typer.Option("--type", help="Every mailbox provider reads rsa.")
    ] = "rsa",
) -> None:
    """Make a key, and print the DNS record that belongs to it.

    Writes .newsletter/dkim/DOMAIN.SELECTOR.pem, never over another. The record alone goes to stdout, as a line of a
    zone file; what to do with it to stderr.

    \b
      newsletter dkim generate
      newsletter dkim generate --selector ed --type ed25519
    """
    from newsletter.compose.message.dkim_key import dns_name, generate_key
    from newsletter.config.settings import load_config

    config = load_config(context.obj)
    domain, selector = dns_name(domain or _domain_of_author(config), "domain"), dns_name(selector, "selector")
    folder = config.state_dir / "dkim"
    for made in (config.state_dir, folder):
        made.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{domain}.{selector}.pem"
    key = generate_key(path, domain, selector, kind)
    file = path.relative_to(config.root)
    note(f"wrote {short_path(str(path))}; keep a copy, and never put it into git")
    note(f"1. Publish this record in the DNS of {domain} (a TXT record named {selector}._domainkey):")
    print(key.zone_line)  # noqa: T201 (never folded: it is copied)
    note("2. Then write this into newsletter.toml; every message is signed from then on:")
    note(f'[dkim]\ndomain = "{domain}"\nselector = "{selector}"\nkey_file = "{file}"')


def _domain_of_author(config: "Config") -> str:
    from newsletter.audience.address import split_mailbox
    from newsletter.config.settings import PLACEHOLDER
    from newsletter.errors import NewsletterError

    if not config.newsletter.author.strip():
        raise NewsletterError("there is no author to take the domain from; set [newsletter] author, or give --domain")
    with config.naming("newsletter", "author"):
        address = split_mailbox(config.newsletter.author, "[newsletter] author")[1]
        if address == PLACEHOLDER:
            raise NewsletterError(f"author is still {address}, from `newsletter init`; set yours, or give --domain")
        return address.rpartition("@")[2]
