"""A day as people write it in their language, for the date under a post's title.

A small table instead of a library of locales: a language that isn't here gets ISO 8601, which everybody can read, and
never another language's words. Forms: CLDR's long dates.
"""

from datetime import date

_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "da": "januar februar marts april maj juni juli august september oktober november december",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "nb": "januar februar mars april mai juni juli august september oktober november desember",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
    "ar": "يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر",
    "he": "ינואר פברואר מרץ אפריל מאי יוני יולי אוגוסט ספטמבר אוקטובר נובמבר דצמבר",
}
_FORMS = {
    "da": "{0.day}. {1} {0.year}",
    "de": "{0.day}. {1} {0.year}",
    "es": "{0.day} de {1} de {0.year}",
    "he": "{0.day} ב{1} {0.year}",
    "ja": "{0.year}年{0.month}月{0.day}日",
    "ko": "{0.year}년 {0.month}월 {0.day}일",
    "nb": "{0.day}. {1} {0.year}",
    "pt": "{0.day} de {1} de {0.year}",
    "zh": "{0.year}年{0.month}月{0.day}日",
}
_SAME = {"no": "nb", "nn": "nb", "iw": "he"}


def long_date(day: date, language: str) -> str:
    """`day` in `language` (BCP 47, `de-AT` say): `1. Juni 2026`; `2026-06-01` where the language isn't known."""
    parts = language.lower().replace("_", "-").split("-")
    name = _SAME.get(parts[0], parts[0])
    months = _MONTHS.get(name, "").split()
    if not months and name not in _FORMS:
        return f"{day.year:04}-{day.month:02}-{day.day:02}"
    month = months[day.month - 1] if months else ""
    if parts[:2] == ["en", "us"]:
        return f"{month} {day.day}, {day.year}"
    if name == "fr" and day.day == 1:
        return f"1er {month} {day.year}"
    return _FORMS.get(name, "{0.day} {1} {0.year}").format(day, month)
