"""A list is read for sure or not at all; a row that can't be mailed is named."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from newsletter.audience.csv.formula import guard
from newsletter.audience.csv.reader import check_list, read_csv
from newsletter.audience.csv.scan import LINE_MAX
from newsletter.audience.listing import LeftOut, Problem, Row
from newsletter.audience.subscriber import Subscriber
from newsletter.errors import NewsletterError


@pytest.fixture
def write(tmp_path: Path):
    def write(content: str | bytes) -> Path:
        path = tmp_path / "subscribers.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, "email\n")
    return packed.getvalue()


def rows(path: Path) -> list[Row]:
    return list(read_csv(path))


def refusal(path: Path) -> str:
    with pytest.raises(NewsletterError) as caught:
        read_csv(path)
    return str(caught.value).removeprefix(str(path.parent) + "/")


def test_rows_are_subscribers_with_their_columns(write) -> None:
    path = write(
        'email,name,First city,plan\nada@Example.org, Ada ,Lyon,free\n\nbob@example.org,"O\'Brien, Bob",,"a ""b"""\n'
    )
    assert rows(path) == [
        (2, Subscriber("ada@example.org", "Ada", {"first_city": "Lyon", "plan": "free"})),
        (4, Subscriber("bob@example.org", "O'Brien, Bob", {"first_city": "", "plan": 'a "b"'})),
    ]
    assert read_csv(path).columns == ("first_city", "plan")


def test_a_list_can_be_read_twice(write) -> None:
    subscribers = read_csv(write("email\nada@example.org\nADA@example.org\n"))
    assert list(subscribers) == list(subscribers)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_the_dialects_of_spreadsheets_are_one_list(write, end: str, delimiter: str, bom: bytes, last: bool) -> None:
    lines = ["email,city,name", "ada@example.org,Lyon,Ada", 'zoe@example.org,"Sala\nmanca",Zoë', "bob@example.org,,"]
    text = end.join(lines).replace(",", delimiter) + end * last
    assert rows(write(bom + text.encode())) == [
        (2, Subscriber("ada@example.org", "Ada", {"city": "Lyon"})),
        (3, Subscriber("zoe@example.org", "Zoë", {"city": "Sala\nmanca"})),
        (5, Subscriber("bob@example.org", "", {"city": ""})),
    ]


@pytest.mark.parametrize(
    "title",
    [
        "email", "Email", " E-Mail ", "EMAIL ADDRESS", "e-mail address", "Mail", "EMAIL", "Email Address",
        "emailAddress", "Subscriber email", "E-Mail-Adresse", "Adresse e-mail", "Correo electrónico",
        "E-mail 1 - Value", "email_address", "What is your email address?", "\ufeffemail",
        "\u200bE\u2011mail\u00a0address\u200b",
        "Subscriber", "Email ID", "subscriberEmail", "contactEmailAddress",
    ],
)  # fmt: skip
def test_the_column_of_addresses_goes_by_its_usual_names(write, title: str) -> None:
    assert rows(write(f"name,{title}\nAda,ada@example.org\n")) == [(2, Subscriber("ada@example.org", "Ada"))]


@pytest.mark.parametrize(
    "header",
    [
        "First Name,Last Name",
        "FIRSTNAME,LASTNAME",
        "Vorname,Nachname",
        "Prénom,Nom",
        "fname,lname",
        "given_name,family_name",
    ],
)
def test_a_name_in_two_columns_is_one_name(write, header: str) -> None:
    _, ada = rows(write(f"email,{header}\nada@example.org, Ada ,Moreau\n"))[0]
    assert isinstance(ada, Subscriber)
    assert ada.name == "Ada Moreau"
    assert len(ada.columns) == 2


def test_a_first_name_alone_and_a_full_name_are_names(write) -> None:
    first = {"first_name": "Ada"}
    assert rows(write("email,First name\nada@example.org,Ada\n")) == [(2, Subscriber("ada@example.org", "Ada", first))]
    path = write("email,First name,Full name\nada@example.org,Ada,Ada M.\n")
    assert rows(path) == [(2, Subscriber("ada@example.org", "Ada M.", first))]


@pytest.mark.parametrize(
    "above",
    [
        "sep=;\r\n",
        "\ufeffsep=;\r\n",
        '"sep=;"\r\n',
        "SEP=;\n",
        "sep=,\n",
        "Members for group readers\n",
        "Export of 26.11.2026;;\n;;\n",
        ';;\n"Our readers";;\nas of today;;\n',
        "Export of May\n",
    ],
)
def test_what_spreadsheets_and_exports_put_above_the_header_is_passed_over(write, above: str) -> None:
    path = write(f"{above}E-mail;Name\r\nada@example.org;Ada\r\nbob\r\n")
    found, header = rows(path), above.count("\n") + 1
    assert found[0] == (header + 1, Subscriber("ada@example.org", "Ada"))
    assert found[1][0] == header + 2


def test_a_delimiter_within_a_quoted_title_does_not_part_the_columns(write) -> None:
    assert rows(write('"Name, in full";"E-mail"\nAda;ada@example.org\n')) == [
        (2, Subscriber("ada@example.org", "", {"name_in_full": "Ada"}))
    ]


@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff", "\u00a0", "\u200e", "\u2060", "\u00ad"])
def test_unseen_characters_round_an_address_are_no_part_of_it_and_within_it_are_refused(write, unseen: str) -> None:
    found = rows(write(f"email\n{unseen}ada@example.org {unseen}\na{unseen}da@example.net\n"))
    assert found[0] == (2, Subscriber("ada@example.org"))
    assert isinstance(found[1][1], Problem)


def test_who_left_by_any_of_their_rows_is_left_out(write) -> None:
    path = write(
        "email,status\nada@example.org,active\nADA@example.org,unsubscribed\n"
        "bob@example.org,Bounced\nbob@example.org,active\nzoe@example.org,lapsed\n"
    )
    found = dict(rows(path))
    assert {line: type(row) for line, row in found.items()} == {
        2: LeftOut, 3: Problem, 4: LeftOut, 5: Problem, 6: Subscriber
    }  # fmt: skip
    assert [row.what for row in found.values() if isinstance(row, LeftOut)] == [
        "left, by line 3",
        "left: status is 'Bounced'",
    ]
    report = check_list(read_csv(path))
    assert (report.subscribers, report.left, report.bad_rows) == (1, 2, 2)
    assert [str(column) for column in report.status] == ["status: active 1, lapsed 1, Bounced 1 (left)"]


def test_a_column_that_is_named_email_wins_over_others_like_it(write) -> None:
    path = write("mail,email\nby post,ada@example.org\n")
    assert rows(path) == [(2, Subscriber("ada@example.org", "", {"mail": "by post"}))]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "1: is empty; begin it with a header row"),
        (b"\n\nemail\n", "1: the first line is blank"),
        (b"\xef\xbb\xbf", "1: the first line is blank"),
        ("email\nada@example.org\n".encode("utf-16"), "is UTF-16"),
        ("email\nada@example.org\n".encode("utf-16-le"), "1: a NUL character; is this UTF-16?"),
        ("email\nada@example.org\n".encode("utf-32"), "is UTF-16"),
        (b"PK\x03\x04\x14\x00", "is a spreadsheet"),
        (zipped("xl/workbook.xml"), "is a spreadsheet"),
        (zipped("cleaned.csv", "all.CSV"), "is a zip file of cleaned.csv, all.CSV; unpack it and name one of these"),
        (b'\xef\xbb\xbf [\n {"email": "ada@example.org"}]', "is JSON, not a CSV file"),
        ("email,name\nada@example.org,Ada\nz@example.org,Zoë\n".encode("latin-1"), "3: not UTF-8: the byte 0xEB"),
        ("email,name\r\nada@example.org,Ada\r\nzoe@example.org,Zoë".encode("latin-1"), "3: not UTF-8"),
        ("email,name\rada@example.org,Ada\rzoe@example.org,Zoë".encode("latin-1"), "3: not UTF-8"),
        (b"email\nada@example.org\n\xe2\x80", "3: not UTF-8"),
        (b"email\nada@example.org\nb\0b@example.org\n", "3: a NUL character"),
        (b"name,city\nAda,Lyon\n", "1: no column `email`"),
        (b"name,emial\nAda,ada@example.org\n", "1: no column `email` in the header; rename 'emial'"),
        (b"ada@example.org,Ada\nbob@example.org,Bob\n", "1: no header; the first line is a person already"),
        (b"email,name,Name \nada@example.org,Ada,\n", "1: two columns are named 'name' ('name' and 'Name ')"),
        (b"email,email\nada@example.org,\n", "1: two columns are named 'email'"),
        (b"email,,name\nada@example.org,,Ada\n", "1: column 2 has no name"),
        (b'email,"name\nada@example.org,Ada\n', "1: a quote in the header is not closed"),
        (b"sep=;\n", "2: the line of the header is blank"),
        (b"Work email,Home email\na@example.org,\n", "1: no column `email` in the header; rename 'Work email' or"),
        (b"Email Address,Email Address\na@example.org,\n", "1: two columns are named 'email_address'"),
        (b"Email address,Your name,Your name\na@example.org,Ada,\n", "1: two columns are named 'your_name'"),
        (b'email,name\nada@example.org,"Ada\nbob@example.org,Bob\n', "2: a quote opened here is never closed"),
        (b'email,name\nada@example.org,"Ada\nb@example.org,Bob"\nz@example.org,\n', "2: a quote opened here swallows"),
        (b'name,email\n"Ada,ada@example.org\nBob",bob@example.org\n', "2: a quote opened here swallows"),
        (b'email\n"ada@example.org\nbob@example.org"\n', "2: a quote opened here swallows"),
        (b'email,name\nada@example.org,"Ada\nbob@example.org,"Bob"\n', "2: a quote inside a quoted field"),
        (b'email,name\nada@example.org,"Ada "the" first"\n', "2: a quote inside a quoted field"),
        (b"email,name\nada@example.org," + b"x" * 65_537 + b"\n", "2: a field of over 64 KB"),
        (b'email,name\nada@example.org,"' + b"x\n" * 32_769 + b'"\n', "2: a field of over 64 KB"),
        (b'email,name\nada@example.org,"' + b"x\n" * 200_000 + b'"\n', "2: a field of over 64 KB"),
        (b"email\nada@example.org\n" + b"x" * (LINE_MAX + 1), "3: a line of over 1,024 KB"),
    ],
)  # fmt: skip
def test_a_list_that_can_not_be_read_for_sure_is_refused_whole_with_the_line(write, content: bytes, said: str) -> None:
    refused = refusal(write(content))
    assert refused.startswith(("subscribers.csv:" if said[0].isdigit() else "subscribers.csv: ") + said)
    assert "; " in refused


def test_a_list_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path / "subscribers.csv")
        == "subscribers.csv: no such list; make it, with a header row `email,name`"
    )
    (tmp_path / "subscribers.csv").write_text("email\n")
    assert refusal(tmp_path / "subscriber.csv") == "subscriber.csv: no such list; did you mean 'subscribers.csv'?"
    assert "folder" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("ada.example.org,Ada,Lyon", "no '@' in 'ada.example.org'; fix the row or delete it"),
        (",Ada,Lyon", "the address is empty; fix the row or delete it"),
        ("ada@example.org,Ada", "2 fields where the header has 3; add the empty ones, or delete the row"),
        ("ada@example.org,Moreau, Ada,Lyon", "4 fields where the header has 3; put a text with the delimiter in it"),
        ("ada@example.org,A\u202eda,Lyon", "U+202E, which can't be seen; take it out"),
        ("ada@example.org,A\x07da,Lyon", "U+0007"),
        ("ada@example.org,Ada,Ly\u2028on", "U+2028"),
        ("ada@example.org,Ada,Ly\x85on", "U+0085"),
        ('ada@example.org,"Ada\r\nBcc: bob@example.org",Lyon', "a line end in 'name'"),
        ('"ada@example.org\nbcc",Ada,Lyon', "'ada@example.org\\nbcc' holds U+000A"),
        ("first@example.org,Again,", "first@example.org is on line 2 already"),
        ("FIRST@Example.org,Again,", "FIRST@example.org is on line 2 already"),
    ],
)
def test_a_row_that_can_not_be_mailed_is_named_and_the_others_are_read(write, row: str, said: str) -> None:
    path = write(f"email,name,city\nfirst@example.org,First,\n{row}\nlast@example.org,Last,\n")
    first, bad, last = rows(path)
    assert isinstance(bad[1], Problem)
    assert bad[0] == 3
    assert bad[1].what.startswith(said)
    assert [first[1], last[1]] == [
        Subscriber("first@example.org", "First", {"city": ""}),
        Subscriber("last@example.org", "Last", {"city": ""}),
    ]


def test_blank_rows_and_the_empty_cells_that_spreadsheets_append_are_no_problem(write) -> None:
    path = write("email,name,,\n\n , ,,\nada@example.org,Ada,,\n,,,\nbob@example.org,Bob\nzoe@example.org,Zoe,x\n")
    assert [line for line, row in rows(path) if isinstance(row, Subscriber)] == [4, 6]
    assert [line for line, row in rows(path) if isinstance(row, Problem)] == [7]


def test_several_lines_in_a_further_column_are_kept(write) -> None:
    path = write('email,notes\nada@example.org,"Call, or\nwrite to ada.m@example.net"\n')
    assert rows(path) == [(2, Subscriber("ada@example.org", "", {"notes": "Call, or\nwrite to ada.m@example.net"}))]


def test_a_template_in_a_field_is_text(write) -> None:
    text = "{{ cycler.__init__.__globals__ }} <img onerror=x>"
    assert rows(write(f"email,name\nada@example.org,{text}\n")) == [(2, Subscriber("ada@example.org", text))]


def test_a_list_that_changes_after_it_was_looked_through_is_not_believed(write) -> None:
    path = write("email\nada@example.org\n")
    subscribers = read_csv(path)
    with path.open("a") as file:
        file.write('bob@example.org,"\n')
    with pytest.raises(NewsletterError, match="changed while it was in use"):
        list(subscribers)


def test_check_counts_and_names_every_problem(write) -> None:
    report = check_list(
        read_csv(write("email,city\nada@example.org,Lyon\nada@example.org,Lyon\nbob\nzoe@example.org,\n"))
    )
    assert (report.subscribers, report.columns) == (2, ("city",))
    assert [line for line, _ in report.problems] == [3, 4]


@pytest.mark.parametrize("at", [1, 250, 499, 500])
def test_one_quote_too_many_never_loses_anybody_in_silence(write, at: int) -> None:
    lines = ["email,name,city", *(f'reader{n}@example.org,"Reader, {n}",Lyon' for n in range(1, 501))]
    lines[at] = lines[at].replace(',"', ',""', 1)
    assert refusal(write("\n".join(lines))).startswith("subscribers.csv:")
    lines[at] = f'reader{at}@example.org,"Reader {at},Lyon'
    assert refusal(write("\n".join(lines))).startswith(f"subscribers.csv:{at + 1}:")


def test_formulas_are_disarmed_for_spreadsheets_and_words_are_left_alone() -> None:
    for cell in ("=1+1", "+33 1 23", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "＝1"):
        assert guard(cell) == "'" + cell
    for cell in ("", "Ada", "ada@example.org", "a=b", "1-2"):
        assert guard(cell) == cell


def test_memory_stays_flat_and_a_hundred_thousand_rows_take_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    with path.open("w") as file:
        file.write("email,name,city\n")
        file.writelines(f"reader{n}@mail{n % 97}.example.org,Reader {n},Lyon\n" for n in range(100_000))
        file.write("reader5@mail5.example.org,Again,Lyon\n")
        file.writelines("reader5@mail5.example.org,And again,Lyon\n" for _ in range(100_000))
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from newsletter.audience.csv.reader import check_list, read_csv\n"
        "import email_validator\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "report = check_list(read_csv(Path(sys.argv[1])), 50)\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(report.subscribers, report.bad_rows, len(report.problems), (after - before) // 1024)\n"
        "print(report.problems[0])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    counts, problem = done.stdout.splitlines()
    good, bad, named, megabytes = map(int, counts.split())
    assert (good, bad, named) == (100_000, 100_001, 50)
    assert problem == "(100002, 'reader5@mail5.example.org is on line 7 already; delete one of them')"
    assert megabytes < 12
