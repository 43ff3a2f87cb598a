"""Mail that means harm, or was written by a program that did not know better."""

NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5000))
MANY = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 30_000 + b"--b--\r\n"
RFC822 = b"Content-Type: message/rfc822\r\n\r\n" * 3000 + b"Subject: in\r\n\r\nx"
HOSTILE = {
    "empty": b"",
    "no header": b"hello world\r\nwithout any header\r\n",
    "only a header": b"Subject: x",
    "nuls": b"Subject: a\x00b\r\nFrom: \x00\r\n\r\n\x00\x00\x00",
    "random bytes": bytes(range(256)) * 200,
    "nested multiparts": NESTED,
    "nested messages": RFC822,
    "thirty thousand parts": MANY,
    "one boundary for all": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    + b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" * 2000,
    "no boundary": b"Content-Type: multipart/alternative\r\n\r\nx",
    "boundary never used": b"Content-Type: multipart/alternative; boundary=zz\r\n\r\nx",
    "gigantic field": b"Subject: " + b"x" * 5_000_000 + b"\r\n\r\nbody",
    "gigantic header": b"X-A: 1\r\n" * 500_000 + b"\r\nbody",
    "encoded words without end": b"Subject: " + b"=?utf-8?q?" * 100_000 + b"\r\n\r\n",
    "line ends in an encoded word": b"Subject: =?utf-8?q?a=0d=0aBcc:_x=00?=\r\n\r\n",
    "unknown charsets": b"Subject: =?nonsense?q?x?= =?punycode?b?////?=\r\n"
    b"Content-Type: text/plain; charset=zlib\r\n\r\nx\xff",
    "bad base64": b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n=====A===B!!\xff\r\n",
    "bad quoted-printable": b"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"==\r\n=ZZ=\r\n=",
    "utf-7 surrogates": b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA-",
    "odd parameters": b"Content-Type: text/html; charset*=x'y'%zz; charset*0=; ;;=; name*999999999=a\r\n\r\n<b>x",
    "evil names": b"Content-Type: application/x; name=\"../../etc/passwd\"\r\nContent-Disposition: attachment; "
    b"filename*=utf-8''..%2F..%2F%00evil%0d%0a.exe\r\n\r\nx",
    "many addresses": b"To: " + b"a@example.org, " * 20_000 + b"\r\n\r\nx",
    "nested comments": b"To: " + b"(" * 50_000 + b"\r\nFrom: " + b"<" * 50_000 + b"\r\nDate: " + b"(" * 9999,
    "odd dates": b"Date: Mon, 99 Foo 99999999999999 99:99:99 +9999999\r\n\r\nx",
    "html that never ends": b"Content-Type: text/html\r\n\r\n" + b"<style" * 200_000,
    "open tags": b"Content-Type: text/html\r\n\r\n" + b"<div>" * 300_000 + b"&" * 100_000,
    "parameters by the thousand": b"Content-Type: multipart/mixed" + b"; a=\"b\\" * 50_000 + b"\r\n\r\nx",
}  # fmt: skip
