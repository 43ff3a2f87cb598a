# ruff: noqa: E501 (header rows are as the houses write them)
"""Exports of the houses that lists come from, with their own headers, and what must become of each person."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Export:
    files: dict[str, str]
    subscribers: dict[str, tuple[str, list[str], str | None]]  # name, tags, joined
    gone: dict[str, str]  # with the reason
    unconfirmed: set[str] = field(default_factory=set)
    strangers: set[str] = field(default_factory=set)


_MAILCHIMP = (
    '"Email Address","First Name","Last Name",Address,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,'
    "LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,{more}LAST_CHANGED,LEID,EUID,NOTES,TAGS\n"
)

EXPORTS = {
    "mailchimp": Export(
        {
            "subscribed_email_audience_export_1.csv": _MAILCHIMP.format(more="")
            + 'zoe@example.org,Zoe,Graz,"1 Main Street\nSpringfield",2,"2021-03-02 10:11:12",192.0.2.1,"2021-03-02 10:12:00",'
            '192.0.2.1,,,,,,,,"2021-03-02 10:12:00",123,abc,"Met at fair","""VIP"",""Graz"""\n',
            "unsubscribed_email_audience_export_1.csv": _MAILCHIMP.format(
                more="UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,UNSUB_CAMPAIGN_ID,"
            )
            + 'gone@example.org,Gone,,,2,,,"2020-01-01 00:00:00",,,,,,,,,"2022-05-06 07:08:09","May letter",77,NORMAL,,77,'
            '"2022-05-06 07:08:09",124,abd,,\n'
            'angry@example.org,An,,,2,,,,,,,,,,,,"2022-05-06 07:08:09",,,SPAM,,,"2022-05-06 07:08:09",125,abe,,\n',
            "cleaned_email_audience_export_1.csv": _MAILCHIMP.format(
                more="CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,"
            )
            + 'dead@example.org,,,,2,,,,,,,,,,,,"2022-05-06 07:08:09",,,"2022-05-06 07:08:09",126,abf,,\n',
            "nonsubscribed_email_audience_export_1.csv": _MAILCHIMP.format(more="")
            + 'buyer@example.org,,,,2,,,,,,,,,,,,"2021-03-02 10:12:00",127,abg,,\n',
        },
        {"zoe@example.org": ("Zoe Graz", ["VIP", "Graz"], "2021-03-02T10:12:00Z")},
        {"gone@example.org": "unsubscribe", "angry@example.org": "complaint", "dead@example.org": "bounce"},
        strangers={"buyer@example.org"},
    ),
    "substack": Export(
        {
            "email_list_new.csv": "Email,Name,Stripe plan,Cancel date,Start date,Paid upgrade date,Activity,Type\n"
            "cleo@example.org,Cleo,,2025-05-01T00:00:00.000Z,2025-02-01T00:00:00.000Z,2025-03-01T00:00:00.000Z,3,Free\n",
            "email_list.csv": "email,active_subscription,expiry,plan,email_disabled,digest_enabled,created_at,first_payment_at\n"
            "zoe@example.org,false,,other,false,false,2023-01-02T03:04:05.000Z,\n"
            "gone@example.org,false,,other,true,false,2023-01-01T00:00:00.000Z,\n",
        },
        {"zoe@example.org": ("", [], "2023-01-02T03:04:05Z"), "cleo@example.org": ("Cleo", [], "2025-02-01")},
        {"gone@example.org": "unsubscribe"},
    ),
    "ghost": Export(
        {
            "members.csv": "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,"
            "labels,tiers\n"
            '6a,zoe@example.org,Zoe,,true,false,,2023-01-01T00:00:00.000Z,,"VIP,Press",Free\n'
            "6b,gone@example.org,Gone,,false,false,,2023-01-01T00:00:00.000Z,,,\n"
        },
        {"zoe@example.org": ("Zoe", ["VIP", "Press"], "2023-01-01")},
        {"gone@example.org": "unsubscribe"},
    ),
    "buttondown": Export(
        {
            "subscribers.export.csv": "email,notes,metadata,tags,referrer_url,creation_date,secondary_id,subscriber_type,source,"
            "utm_campaign,utm_medium,utm_source,unsubscription_date\n"
            'zoe@example.org,,"{""city"": ""Graz""}","vip, press",,2023-01-01,1,regular,organic,,,,\n'
            "gone@example.org,,{},,,2023-01-01,2,unsubscribed,organic,,,,2024-02-03\n"
            "maybe@example.org,,{},,,2023-01-01,3,unactivated,organic,,,,\n"
            "dead@example.org,,{},,,2023-01-01,4,undeliverable,organic,,,,\n"
            "angry@example.org,,{},,,2023-01-01,5,complained,organic,,,,\n"
            "thrifty@example.org,,{},,,2023-01-01,6,paused,organic,,,,\n"  # with the paid part alone
        },
        {"zoe@example.org": ("", ["vip", "press"], "2023-01-01"), "thrifty@example.org": ("", [], "2023-01-01")},
        {"gone@example.org": "unsubscribe", "dead@example.org": "bounce", "angry@example.org": "complaint"},
        {"maybe@example.org"},
    ),
    "listmonk": Export(
        {
            "listmonk.csv": "uuid,email,name,attributes,status,created_at,updated_at\n"
            'u1,zoe@example.org,Zoe,"{""city"": ""Graz"", ""n"": 3}",enabled,2023-01-01,2023-01-01\n'
            "u2,gone@example.org,Gone,{},blocklisted,2023-01-01,2023-02-01\n"
            "u3,off@example.org,Off,{},disabled,2023-01-01,2023-02-01\n"
        },
        {"zoe@example.org": ("Zoe", [], "2023-01-01")},
        {"gone@example.org": "unsubscribe", "off@example.org": "manual"},
    ),
    "kit": Export(
        {
            "kit.csv": "id,first_name,email_address,status,created_at,tags\n"
            '1,Zoe,zoe@example.org,active,2023-01-01,"a, b"\n'
            "2,Gone,gone@example.org,cancelled,2023-01-01,\n"
            "3,Dead,dead@example.org,bounced,2023-01-01,\n"
            "4,Angry,angry@example.org,complained,2023-01-01,\n"
            "5,Maybe,maybe@example.org,inactive,2023-01-01,\n"
        },
        {"zoe@example.org": ("Zoe", ["a", "b"], "2023-01-01")},
        {"gone@example.org": "unsubscribe", "dead@example.org": "bounce", "angry@example.org": "complaint"},
        {"maybe@example.org"},
    ),
    "beehiiv": Export(
        {
            "beehiiv.csv": "id,email,status,subscription_tier,created_at,utm_source,tags\n"
            'sub_1,zoe@example.org,active,free,2023-01-01T10:00:00Z,web,"vip,press"\n'
            "sub_2,gone@example.org,inactive,free,2023-01-01T10:00:00Z,web,\n"
            "sub_3,maybe@example.org,pending,free,2023-01-01T10:00:00Z,web,\n"
            "sub_4,dead@example.org,invalid,free,2023-01-01T10:00:00Z,web,\n",
            "members.csv": "email,First Name,Last Name,status,tier,created_at,stripe_customer_id,Free Tier,Premium Tier,unsubscribed_at\n"
            "bea@example.org, Bea  , Graz ,active,free,2023-03-24 10:23:10 UTC,,Yes,No,\n"
            "left@example.org,,,active,premium,2023-04-11 14:02:46 UTC,cus_1234,No,Yes,2024-03-13 11:33:53 UTC\n",
        },
        {
            "zoe@example.org": ("", ["vip", "press"], "2023-01-01T10:00:00Z"),
            "bea@example.org": ("Bea Graz", [], "2023-03-24T10:23:10Z"),
        },
        {"gone@example.org": "unsubscribe", "dead@example.org": "bounce", "left@example.org": "unsubscribe"},
        {"maybe@example.org"},
    ),
    "brevo": Export(
        {
            "brevo.csv": "CONTACT ID;EMAIL;LASTNAME;FIRSTNAME;SMS;EMAIL_BLACKLISTED;SMS_BLACKLISTED;DOUBLE_OPT-IN;ADDED_TIME;MODIFIED_TIME\n"
            "1;zoe@example.org;Graz;Zoe;;No;Yes;Yes;18-06-2024 09:30;13-07-2024 10:00\n"
            "2;gone@example.org;Gone;;;Yes;No;Yes;18-06-2024;28-01-2026\n",
        },
        {"zoe@example.org": ("Zoe Graz", [], "2024-06-18T09:30:00Z")},
        {"gone@example.org": "unsubscribe"},
    ),
}
