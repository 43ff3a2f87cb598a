"""Messages on the wire: header fields, quoted-printable, the writer."""
