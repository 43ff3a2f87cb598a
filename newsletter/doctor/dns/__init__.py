"""Identity as DNS tells it: SPF, DKIM, DMARC, MX, PTR and what hangs on them. All questions go through `resolver`."""
