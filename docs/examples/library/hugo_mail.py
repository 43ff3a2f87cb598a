"""After `hugo`: each post as mail, in public/mail/SLUG.html; the build fails where a mail has errors.

hugo && python hugo_mail.py
"""

import asyncio
import email
import email.policy
import sys
from pathlib import Path

import newsletter


def main(folder: Path) -> int:
    letter = newsletter.load(folder / "newsletter.toml")
    out = folder / "public" / "mail"
    out.mkdir(parents=True, exist_ok=True)
    errors = 0
    for path in letter.posts():
        composed = newsletter.compose(letter, path)
        message = email.message_from_bytes(composed.message(), policy=email.policy.default)
        html = message.get_body(("html",))
        (out / f"{composed.issue.id}.html").write_text(html.get_content(), encoding="utf-8")
        for finding in asyncio.run(newsletter.check(composed)):
            if finding.severity == "error":
                print(f"{finding.source or path}:{finding.line or 1}: {finding.message}", file=sys.stderr)
                errors += 1
        print(f"mail/{composed.issue.id}.html")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
