# ruff: noqa: E501 (header rows are as the houses write them)
"""The header rows under which the houses' exports are found in public, old ones and those in other languages too.

What must become of a person stands in their address: `gone` left, `dead` bounced, `angry` complained, `off` was blocked,
`maybe` never confirmed, `buyer` never signed up; all others are subscribers.
"""

import json
from pathlib import Path

import pytest

from newsletter.audience.imports.houses import HOUSES, house_of
from newsletter.audience.imports.people import Block
from newsletter.audience.imports.reader import open_import
from newsletter.errors import NewsletterError

FATES = {
    "gone": "unsubscribe", "dead": "bounce", "angry": "complaint", "off": "manual", "maybe": "unconfirmed",
    "buyer": "stranger",
}  # fmt: skip

MAILCHIMP, SUBSTACK, GHOST, BUTTONDOWN, LISTMONK, KIT, BEEHIIV, BREVO = HOUSES

TABLE: list[tuple[str, str | None, str, str, str, str, str | None]] = [
    # the house; whose it is found to be without --from; the file; what Zoe is called, her tags, when she joined
    (MAILCHIMP, MAILCHIMP, "subscribed_members_export_a1b2c3.csv",
     "First Name,Last Name,Email Address,Status,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LAST_CHANGED,What content are you interested in?,TAGS\n"
     'Zoe,Graz,  zoe@example.org ,subscribed,4,2026-06-18T10:00:00.000Z,198.51.100.10,2026-06-18T11:00:00.000Z,,,"a, b","""VIP"",""Graz"""\n'
     ",,gone@example.org,unsubscribed,4,,,,,,,\n,,dead@example.org,Cleaned,4,,,,,,,\n,,buyer@example.org,Non-Subscribed,4,,,,,,,\n"
     ",,maybe@example.org,pending,4,,,,,,,\n,,off@example.org,archived,,,,,,,,\n,,buyer2@example.org,transactional,,,,,,,,\n",
     "Zoe Graz", "VIP,Graz", "2026-06-18T11:00:00Z"),
    (MAILCHIMP, MAILCHIMP, "list.csv",
     "EMAIL,FNAME,LNAME,PHONE,UNSUB,BOUNCE,STATUS,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES\n"
     'zoe@example.org,Zoe,Graz,,no,no,subscribed,2,"2024-01-01 10:00:00",,"2024-01-01 10:05:00",,,,,,,,,,,\n'
     "gone@example.org,,,,yes,no,subscribed,2,,,,,,,,,,,,,,\ndead@example.org,,,,no,yes,subscribed,2,,,,,,,,,,,,,,\n",
     "Zoe Graz", "", "2024-01-01T10:05:00Z"),
    (MAILCHIMP, MAILCHIMP, "kontakte.csv",
     "\ufeffE-Mail-Adresse;Vorname;Nachname;MEMBER_RATING;OPTIN_TIME;CONFIRM_TIME;EUID;TAGS\n"
     'zoe@example.org;Zoe;Graz;2;"2024-01-01 10:00:00";"2024-01-01 10:05:00";x;\n',
     "Zoe Graz", "", "2024-01-01T10:05:00Z"),
    (MAILCHIMP, MAILCHIMP, "contacts.csv",
     "Adresse e-mail,Prénom,Nom,MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,EUID,TAGS\nzoe@example.org,Zoe,Graz,2,,,x,\n",
     "Zoe Graz", "", ""),
    (MAILCHIMP, MAILCHIMP, "unsubscribed_members_export_a1.csv", "Email Address,First Name\ngone@example.org,G\n", "", "", None),
    (MAILCHIMP, MAILCHIMP, "contacts.csv",
     "Email Address,First Name,Last Name,Email Marketing Status,SMS Marketing Status,Tags,Date Added,EUID\n"
     "zoe@example.org,Zoe,Graz,Subscribed,Not subscribed,a,2024-01-01 10:00:00,x\n"
     "gone@example.org,,,Unsubscribed,Not subscribed,,,x\nbuyer@example.org,,,Non-subscribed,,,,\n",
     "Zoe Graz", "a", "2024-01-01T10:00:00Z"),
    (SUBSTACK, SUBSTACK, "email_list.csv",
     "email,active_subscription,expiry,plan,email_disabled,prefer_digests,created_at,first_payment_at\n"
     "zoe@example.org,false,,other,false,false,2024-01-15T10:00:00.000Z,\ngone@example.org,false,,,true,false,,\n",
     "", "", "2024-01-15T10:00:00Z"),
    (SUBSTACK, SUBSTACK, "subscriber_emails.csv",
     "email,expiry,email_disabled,stripe_connected_customer_id,type\n"
     "zoe@example.org,2021-07-06T16:20:44.000Z,false,cus_D5,paid\ngone@example.org,2021-07-06T16:20:44.000Z,true,,comp\n",
     "", "", None),
    (SUBSTACK, SUBSTACK, "subscriber_details.csv",
     "Email,Name,Type,Stripe plan,Cancel date,Start date,Paid upgrade date,Can see paid content,Emails received (6mo),Emails dropped (6mo),num_emails_opened,Last email open,Subscription source (free),Country,State/Province,Sections,Tags\n"
     'zoe@example.org,Zoe,Free,,2025-05-01T00:00:00.000Z,2024-01-15T10:00:00.000Z,,0,10,0,3,,direct,AT,Styria,"main, x",vip\n',
     "Zoe", "vip", "2024-01-15T10:00:00Z"),
    (SUBSTACK, SUBSTACK, "export.csv",
     "user_email_address,user_name,activity_rating,subscription_created_at,is_subscribed\nzoe@example.org,Zoe,3,2024-01-15T10:00:00.000Z,false\n",
     "Zoe", "", "2024-01-15T10:00:00Z"),
    (GHOST, GHOST, "members.csv",
     "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers,gift_id,custom_fields.city\n"
     '6,zoe@example.org,Zoe,,true,,,2023-01-01T10:00:00.000Z,,"a,b",,,Graz\n7,gone@example.org,,,false,,,,,,,,\n8,gone2@example.org,,,true,,,,2024-01-01,,,,\n',
     "Zoe", "a,b", "2023-01-01T10:00:00Z"),
    (GHOST, None, "members.csv", "email,name,note,subscribed,created_at,labels\nzoe@example.org,Zoe,,TRUE,,a\ngone@example.org,,,FALSE,,\n",
     "Zoe", "a", ""),
    (BUTTONDOWN, BUTTONDOWN, "subscribers.csv",
     "id,creation_date,email_address,notes,metadata,tags,referrer_url,type,source,unsubscription_date,churn_date,undeliverability_date,undeliverability_reason,upgrade_date,unsubscription_reason\n"
     'i,2023-01-01T10:00:00Z,zoe@example.org,,"{""city"":""Graz""}","[""a"", ""b""]",,regular,api,,,,,,\n'
     + "".join(f"i,,{who}@example.org,,{{}},,,{kind},api,,,,,,\n" for who, kind in (
         ("paid", "premium"), ("late", "past_due"), ("thrifty", "paused"), ("ended", "churned"), ("gone", "unsubscribed"),
         ("maybe", "unactivated"), ("maybe2", "upcoming"), ("off", "removed"), ("off2", "blocked"), ("off3", "spammy"),
         ("angry", "complained"), ("dead", "undeliverable")))
     + "i,,dead2@example.org,,{},,,regular,api,,,2024-01-01,full,,\n",
     "", "a,b", "2023-01-01T10:00:00Z"),
    (BUTTONDOWN, None, "unsubscribers.csv", "email,creation_date,notes,tags\ngone@example.org,2023-01-01,,\n", "", "", None),
    (LISTMONK, LISTMONK, "subscribers.csv",
     "uuid,email,name,attributes,status,subscription_status,created_at,updated_at\n"
     'u,zoe@example.org,Zoe,"{""city"": ""Graz""}",enabled,confirmed,2023-01-01 10:00:00.000000+00:00,\n'
     "u,gone@example.org,,{},blocklisted,confirmed,,\nu,gone2@example.org,,{},enabled,unsubscribed,,\n"
     "u,maybe@example.org,,{},enabled,unconfirmed,,\nu,off@example.org,,{},disabled,confirmed,,\n",
     "Zoe", "", "2023-01-01T10:00:00Z"),
    (KIT, None, "subscribers.csv",
     "first_name,email,created_at,status\nZoe,zoe@example.org,2022-09-10T11:12:13Z,active\n,dead@example.org,,bounced\n"
     ",gone@example.org,,cancelled\n,maybe@example.org,,inactive\n,angry@example.org,,complained\n,cold@example.org,,cold\n",
     "Zoe", "", "2022-09-10T11:12:13Z"),
    (KIT, KIT, "subscribers.csv",
     "first_name,email_address,state,created_at,tags\nZoe,zoe@example.org,active,2025-03-03,“creators”\n,gone@example.org,cancelled,,\n",
     "Zoe", "creators", "2025-03-03"),
    (KIT, KIT, "subscribers.csv",
     "Subscriber ID,First Name,Last Name,Email Address,State,Created At,Source,Tags,Last Subscribed Through\n"
     "1,Zoe,Graz,zoe@example.org,active,2026-01-15,landing_page,founder|saas,Lead Magnet\n2,,,gone@example.org,Cancelled,,,,\n",
     "Zoe Graz", "founder,saas", "2026-01-15"),
    (KIT, KIT, "sequence.csv",
     "subscriber_id,email_address,first_name,state,created_at,next_email_at,completed_at\n1,zoe@example.org,Zoe,active,2023-01-27T11:43:55Z,,\n",
     "Zoe", "", "2023-01-27T11:43:55Z"),
    (KIT, None, "subscribers.csv",
     "email,first_name,state,created_at,tags,city\nzoe@example.org,Zoe,Confirmed,2023-01-27 11:43:55 UTC,\"a, b\",Graz\n"
     "maybe@example.org,,Unconfirmed,,,\ngone@example.org,,Cancelled,,,\n",
     "Zoe", "a,b", "2023-01-27T11:43:55Z"),
    (KIT, None, "all.csv", "Email,First Name,Tags,Confirmed At,Source\nzoe@example.org,Zoe,\"a, b\",2023-01-27 11:43:55 UTC,form\n",
     "Zoe", "a,b", "2023-01-27T11:43:55Z"),
    (BEEHIIV, BEEHIIV, "subscribers.csv",
     "Email,Status,Created At,Subscription Tier\nzoe@example.org,Active,2025-10-10 10:10:10,free\ngone@example.org,Inactive,,free\n",
     "", "", "2025-10-10T10:10:10Z"),
    (BEEHIIV, BEEHIIV, "members.csv",
     "email,First Name,Last Name,status,tier,created_at,stripe_customer_id,Free Tier,Premium Tier,unsubscribed_at,Subscription Date (Substack)\n"
     "zoe@example.org, Zoe  ,Graz,active,free,2023-03-24 10:23:10 UTC,,Yes,No,,2022-03-12 11:43:23 UTC\n"
     "gone@example.org,,,active,premium,2023-04-11 14:02:46 UTC,c,No,Yes,2024-03-13 11:33:53 UTC,\nmaybe@example.org,,,pending,,,,,,,\n",
     "Zoe Graz", "", "2022-03-12T11:43:23Z"),
    (BEEHIIV, BEEHIIV, "subscribers.csv",
     "email,status,acquisition_source,utm_source,created,total_unique_opened,open_rate,last_opened_at,tags\n"
     "zoe@example.org,active,web,,1755000000,1,1,,vip\nmaybe@example.org,validating,web,,,,,,\ndead@example.org,invalid,web,,,,,,\n",
     "", "vip", "2025-08-12T12:00:00Z"),
    (BREVO, BREVO, "contacts.csv",
     "EMAIL;LASTNAME;FIRSTNAME;SMS;EMAIL_BLACKLISTED;SMS_BLACKLISTED;ADDED_TIME;MODIFIED_TIME\n"
     "zoe@example.org;Graz;Zoe;33611111111;No;Yes;12-04-2022 09:30;13-04-2022 10:00\ngone@example.org;;;;Yes;No;12-04-2022 09:30;\n",
     "Zoe Graz", "", "2022-04-12T09:30:00Z"),
    (BREVO, BREVO, "contacts.csv", "EMAIL;ADDED_TIME;MODIFIED_TIME\nzoe@example.org;18-06-2024;28-01-2026\n", "", "", "2024-06-18"),
    (BREVO, BREVO, "contacts.csv",
     "CONTACT ID;EMAIL;LASTNAME;FIRSTNAME;WHATSAPP;SMS;DOUBLE_OPT-IN;OPT_IN;LANDLINE_NUMBER;EXT_ID;CONTACT_TIMEZONE;JOB_TITLE;LINKEDIN;ADDED_TIME;MODIFIED_TIME\n"
     "1;zoe@example.org;Graz;Zoe;;;1;true;;;;;;18-06-2024;28-01-2026\n2;maybe@example.org;;;;;2;;;;;;;;\n3;silent@example.org;;;;;;;;;;;;;\n",
     "Zoe Graz", "", "2024-06-18"),
    (BREVO, BREVO, "contacts.csv",
     "CONTACT ID,EMAIL,PRENOM,NOM,SMS,_LISTIDS,ADDED_TIME,MODIFIED_TIME,EMAIL_MARKETING,SMS_MARKETING\n"
     "1,zoe@example.org,Zoe,Graz,,3,2024-06-18T09:30:00Z,2024-06-18,Subscribed,Not subscribed\n"
     "2,gone@example.org,,,,3,,,Unsubscribed,\n3,buyer@example.org,,,,3,,,Never subscribed,\n4,off@example.org,,,,3,,,Blocklisted,\n",
     "Zoe Graz", "", "2024-06-18T09:30:00Z"),
]  # fmt: skip


def fates(blocks: list[Block]) -> dict[str, str]:
    """What becomes of each person, by address."""
    found = {email: "subscriber" for block in blocks for email in block.subscribers[2]}
    return found | {email: fate for block in blocks for _, _, email, _, _, fate, *_ in block.outsiders}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]} {row[3][:24]}")
def test_an_export_is_read_under_each_of_its_header_rows(
    row: tuple[str, str | None, str, str, str, str, str | None], tmp_path: Path
) -> None:
    house, found_to_be, file_name, text, name, tags, joined = row
    file = tmp_path / file_name
    file.write_text(text)
    blocks = list(open_import(file, house_of(house), named=True))
    people = fates(blocks)
    assert people == {email: FATES.get(email.split("@")[0].rstrip("23"), "subscriber") for email in people}
    assert len(people) == len(text.splitlines()) - 1
    assert not [refused for block in blocks for refused in block.refused]
    if "zoe@example.org" in people:
        _, _, emails, names, columns = blocks[0].subscribers
        at = emails.index("zoe@example.org")
        kept = json.loads(columns[at]) if columns[at] else {}
        assert (names[at], kept.get("tags", ""), kept.get("joined")) == (name, tags, joined)
    if found_to_be:
        with pytest.raises(
            NewsletterError, match=f"is an export of {found_to_be}, as it looks; give --from {found_to_be}"
        ):
            open_import(file, house_of(None), named=False)
    else:
        left = {"gone", "dead", "angry", "off"} & {email.split("@")[0] for email in people}
        others = fates(list(open_import(file, house_of(None), named=False)))
        assert all(others[f"{who}@example.org"] != "subscriber" for who in left) or file_name == "unsubscribers.csv"


@pytest.mark.parametrize("row", [row for row in TABLE if row[1]], ids=lambda row: f"{row[0]} {row[3][:24]}")
def test_an_export_under_another_houses_name_is_refused_and_the_house_named(
    row: tuple[str, str, str, str, str, str, str | None], tmp_path: Path
) -> None:
    file = tmp_path / row[2]
    file.write_text(row[3])
    for other in HOUSES:
        if other == row[0]:
            continue
        with pytest.raises(
            NewsletterError, match=f"has the columns of {row[1]}, not of the house named; give --from {row[1]},"
        ) as raised:
            open_import(file, house_of(other), named=True)
        assert "\n" not in str(raised.value)
    open_import(file, house_of("other"), named=True)
