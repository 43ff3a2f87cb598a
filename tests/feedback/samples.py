"""Mails that come back, in the shapes of many servers, in our own words; every address is reserved."""

RETURNED = """\
From: Ada Moreau <ada@example.org>
To: Léa <lea@example.net>
Subject: Oaks
Message-ID: <{digest}@example.org>
X-Newsletter-Ref: {ref}
MIME-Version: 1.0
"""


def dsn(  # RFC 3464, as Postfix writes it
    email: str,
    status: str,
    diagnostic: str,
    *,
    action: str = "failed",
    returned: str = RETURNED,
    to: str = "ada@example.org",
) -> str:
    return f"""\
Return-Path: <>
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="BOUND"

--BOUND
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.org.

I'm sorry to have to inform you that your message could not be delivered to one or more recipients.

<{email}>: host mx.example.net[192.0.2.7] said: {diagnostic} (in reply to RCPT TO command)

--BOUND
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
Arrival-Date: Thu, 26 Nov 2026 10:00:00 +0000 (UTC)

Final-Recipient: rfc822; {email}
Original-Recipient: rfc822;{email}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.example.net
Diagnostic-Code: smtp; {diagnostic}

--BOUND
Content-Type: text/rfc822-headers

{returned}
--BOUND--
"""


def arf(kind: str, *, email: str = "", returned: str = RETURNED) -> str:
    """A complaint (RFC 5965)."""
    recipient = f"Original-Rcpt-To: {email}\n" if email else ""
    return f"""\
From: <abuse@feedback.example.com>
To: ada@example.org
Subject: FW: Oaks
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="BOUND"

--BOUND
Content-Type: text/plain

This is an abuse report for a message from 192.0.2.1.

--BOUND
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Example-FBL/1.0
Version: 1
{recipient}
--BOUND
Content-Type: message/rfc822

{returned}
Words.
--BOUND--
"""


def plain(sender: str, subject: str, text: str, *, to: str = "ada@example.org", more: str = "") -> str:
    """Any mail of text."""
    return f"From: {sender}\nTo: {to}\nSubject: {subject}\nDate: Thu, 26 Nov 2026 10:00:00 +0000\n{more}\n{text}\n"


EXIM = plain(
    "Mail Delivery System <Mailer-Daemon@mx.example.org>",
    "Mail delivery failed: returning message to sender",
    """\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  lea@example.net
    host mx.example.net [192.0.2.7]
    SMTP error from remote mail server after RCPT TO:<lea@example.net>:
    550 5.1.1 <lea@example.net>: Recipient address rejected: User unknown

------ This is a copy of the message, including all the headers. ------

From: ada@example.org
To: someone.else@example.com""",
    more="X-Failed-Recipients: lea@example.net\nAuto-Submitted: auto-replied\n",
)
QMAIL = plain(
    "MAILER-DAEMON@mx.example.org",
    "failure notice",
    """\
Hi. This is the qmail-send program at mx.example.org.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<lea@example.net>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <ada@example.org>
To: other@example.com""",
)
QMAIL_FULL = QMAIL.replace(
    "Sorry, no mailbox here by that name. (#5.1.1)", "The user's mailbox is over quota. (#5.2.2)"
)
SENDMAIL = plain(
    "Mail Delivery Subsystem <MAILER-DAEMON@mx.example.org>",
    "Returned mail: see transcript for details",
    """\
The original message was received at Thu, 26 Nov 2026 10:00:00 GMT
from localhost

   ----- The following addresses had permanent fatal errors -----
<lea@example.net>
    (reason: 550 5.1.1 <lea@example.net>... User unknown)

   ----- Transcript of session follows -----
... while talking to mx.example.net.:
>>> DATA
<<< 550 5.1.1 <lea@example.net>... User unknown""",
)
EXCHANGE = plain(
    "System Administrator <postmaster@example.net>",
    "Undeliverable: Oaks",
    """\
Your message

  To:      lea@example.net
  Subject: Oaks
  Sent:    Thu, 26 Nov 2026 10:00:00 +0000

did not reach the following recipient(s):

lea@example.net on Thu, 26 Nov 2026 10:00:03 +0000
    The recipient name is not recognized
    MSEXCH:IMS:EXAMPLE:HQ:MAIL 0 (000C05A6) Unknown Recipient""",
)
DOMINO = plain(
    "Postmaster@example.net",
    "DELIVERY FAILURE: User lea (lea@example.net) not listed in Domino Directory",
    "Your message\n\n  Subject: Oaks\n\nwas not delivered to:\n\n  lea@example.net\n\nbecause:\n\n"
    "  User lea (lea@example.net) not listed in Domino Directory",
)
YAHOO = plain(
    "MAILER-DAEMON@mail.example.com",
    "Failure Notice",
    "Sorry, we were unable to deliver your message to the following address.\n\n<lea@example.net>:\n"
    "Remote host said: 554 delivery error: dd This user doesn't have an example.net account (lea@example.net) [0]\n\n"
    "--- Below this line is a copy of the message.",
)
GMAIL = plain(
    "Mail Delivery Subsystem <mailer-daemon@googlemail.example.com>",
    "Delivery Status Notification (Failure)",
    "** Address not found **\n\nYour message wasn't delivered to lea@example.net because the address "
    "couldn't be found, or is unable to receive mail.\n\nThe response was:\n\n"
    "550 5.1.1 The email account that you tried to reach does not exist.",
)
GERMAN = plain(
    "Mailzustellung <mailer-daemon@mx.example.org>",
    "Unzustellbar: Oaks",
    "Ihre Nachricht konnte nicht zugestellt werden an:\n\n  lea@example.net\n\nDer Empfänger ist unbekannt.",
    more="Content-Type: text/plain; charset=utf-8\n",
)
FRENCH = plain(
    "postmaster@example.net",
    "Non remis : Oaks",
    "Votre message n'a pas pu être remis à :\n\n  lea@example.net\n\nLa boîte du destinataire est pleine.",
    more="Content-Type: text/plain; charset=utf-8\n",
)
JAPANESE = plain(
    "MAILER-DAEMON@example.net",
    "配信エラー",
    "次の宛先にメールを届けることができませんでした。\n\n  lea@example.net\n\n宛先のメールアドレスが存在しません。",
    more="Content-Type: text/plain; charset=utf-8\n",
)
AWAY = plain(
    "Léa <lea@example.net>",
    "Automatic reply: Oaks",
    "I am out of the office until Monday.",
    more="Auto-Submitted: auto-replied\n",
)
CHALLENGE = plain(
    "lea@example.net",
    "Please confirm that you sent this",
    "Click here to confirm.",
    more="Auto-Submitted: auto-generated\n",
)
REPLY = plain(
    "Léa <lea@example.net>", "Re: Oaks", "I liked this one. It bounced around my head for days!\n\n> Oaks are slow."
)
FORWARDED = plain(
    "Grace <grace@example.com>",
    "Fwd: Undelivered Mail Returned to Sender",
    "Do you know what this means?\n\n> lea@example.net",
)
NEWS = plain(
    "News <news@example.com>", "How to read delivery failure reports", "User unknown means that nobody is there."
)
OPENSMTPD = dsn("lea@example.net", "5.0.0", "550 User unknown", action="error")
X400 = plain(
    "System Administrator <postmaster@example.net>",
    "Undeliverable: Oaks",
    "Your message\n\n  To:      list@example.com\n  Subject: Oaks\n\ndid not reach the following recipient(s):\n\n"
    "c=US;a= ;p=EXAMPLE;o=HQ;dda:SMTP=lea@example.net; on Thu, 26 Nov 2026 10:00:03 +0000\n"
    "    The recipient name is not recognized",
)
REPLY_ALONE = plain(
    "post_master@example.net",
    "Re:Oaks",
    "RCPT TO: lea@example.net\n550 - Requested action not taken: no such user here",
)
WORDLESS = plain(
    "MAILER-DAEMON@example.net",
    "",
    '--BOUND\nContent-Type: text/plain; charset="gb2312"\n\nexample.net.\n\n<lea@example.net>:\n\n'
    "--BOUND\nContent-Type: message/rfc822\n\nSubject: Oaks\n\n--BOUND--",
    more='MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="BOUND"\n',
)
SPANISH = plain(
    "postmaster@example.net",
    "No se pudo entregar: Oaks",
    "No se ha podido entregar el mensaje a:\n\n  lea@example.net\n\nEl destinatario no existe.",
    more="Content-Type: text/plain; charset=utf-8\n",
)
ITALIAN = plain(
    "postmaster@example.net",
    "Mancata consegna: Oaks",
    "Impossibile recapitare il messaggio a:\n\n  lea@example.net\n\nLa casella del destinatario è piena.",
    more="Content-Type: text/plain; charset=utf-8\n",
)
RUSSIAN = plain(
    "MAILER-DAEMON@example.net",
    "Недоставленное сообщение",
    "Сообщение не может быть доставлено:\n\n  lea@example.net\n\nПользователь не найден.",
    more="Content-Type: text/plain; charset=utf-8\n",
)
CHINESE = plain(
    "postmaster@example.net",
    "系统退信",
    "您的邮件被退回，无法投递到：\n\n  lea@example.net\n\n收件人不存在。",
    more="Content-Type: text/plain; charset=utf-8\n",
)
OFFICE_365 = dsn(
    "lea@example.net", "5.1.10",
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient lea@example.net not found by SMTP address lookup",
)  # fmt: skip
AMAZON_SES = dsn("lea@example.net", "5.4.4", "550 5.4.4 Invalid domain")
