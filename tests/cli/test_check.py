"""`check`: what it prints, how it ends, and what silences it."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from newsletter.checks.run import ASKING, CHECKS
from tests.cli.conftest import CONFIG, POST, Call

KEYS = ["rule", "severity", "message", "line", "hint", "source"]
GOOD = POST.replace("[link](/about/)", "[word about us](/about/)")
WARNED = POST.replace("[link](/about/)", "[click here](/about/)")
WRONG = GOOD.replace("A heading", "A heading\n\n![](images/oak.png)")


def write(folder: Path, post: str = GOOD, config: str = "") -> None:
    (folder / "posts" / "2026-05-04-hello.md").write_text(post)
    (folder / "newsletter.toml").write_text(CONFIG + config)


def test_a_good_post_ends_well_and_counts(folder: Path, call: Call) -> None:
    write(folder)
    code, out, err = call("check", "hello", "--strict")
    assert (code, err) == (0, "")
    assert out.startswith("0 errors, 0 warnings, ")


def test_a_list_of_findings_has_these_keys_and_nothing_else_is_printed(folder: Path, call: Call) -> None:
    write(folder, WARNED)
    code, out, err = call("check", "hello", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert all(list(finding) == KEYS for finding in found)
    [told] = [finding for finding in found if finding["rule"] == "link-text"]
    assert (told["severity"], told["source"], told["line"]) == ("warning", "posts/2026-05-04-hello.md", 7)


def test_a_warning_ends_with_1_when_strict_alone(folder: Path, call: Call) -> None:
    write(folder, WARNED)
    assert call("check", "hello")[0] == 0
    assert call("check", "hello", "--strict")[0] == 1


@pytest.mark.parametrize("options", [(), ("--json",), ("--strict",), ("--json", "--info")])
def test_an_error_ends_with_1(folder: Path, call: Call, options: tuple[str, ...]) -> None:
    write(folder, WRONG)
    code, _, err = call("check", "hello", *options)
    assert code == 1
    assert "--json" in options or "posts/2026-05-04-hello.md:11: " in err


def test_a_rule_is_silenced_by_config_and_by_front_matter(folder: Path, call: Call) -> None:
    write(folder, WARNED, '\n[checks]\nignore = ["link-text"]\n')
    assert call("check", "hello", "--strict")[0] == 0
    write(folder, WARNED.replace("---\nThe", "checks: {ignore: [link-text]}\n---\nThe"))
    assert call("check", "hello", "--strict")[0] == 0


def test_every_rule_can_be_silenced(folder: Path, call: Call) -> None:
    names = json.dumps([check.name for check in (*CHECKS, *ASKING)])
    write(folder, WRONG, f"\n[checks]\nignore = {names}\n")
    code, out, err = call("check", "hello", "--json", "--links")
    assert (code, json.loads(out), err) == (0, [], "")


def test_a_rule_that_is_none_is_an_error_with_the_nearest(folder: Path, call: Call) -> None:
    write(folder, config='\n[checks]\nignore = ["link-txt"]\n')
    code, out, err = call("check", "hello", "--json")
    assert (code, out) == (2, "")
    assert "newsletter.toml:" in err
    assert "did you mean 'link-text'?" in err
    write(folder, GOOD.replace("---\nThe", "checks: {ignore: contrats}\n---\nThe"))
    code, _, err = call("check", "hello")
    assert code == 2
    assert "posts/2026-05-04-hello.md:6: " in err
    assert "did you mean 'contrast'?" in err


@pytest.mark.parametrize(
    "given",
    ["{ignore: 5}", "{ignore: true}", "{ignore: {small-text: yes}}", "small-text", "{ignor: [small-text]}", "{}"],
)
def test_what_would_silence_nothing_is_an_error(folder: Path, call: Call, given: str) -> None:
    write(folder, GOOD.replace("---\nThe", f"checks: {given}\n---\nThe"))
    code, _, err = call("check", "hello")
    assert code == 2
    assert "posts/2026-05-04-hello.md:6: checks: is not understood; write it like checks: {ignore: [small-text]}" in err


@pytest.mark.parametrize("given", ["", "{ignore: }", "{ignore: []}", "{ignore: small-text}"])
def test_what_silences_little_is_fine(folder: Path, call: Call, given: str) -> None:
    write(folder, GOOD.replace("---\nThe", f"checks: {given}\n---\nThe"))
    assert call("check", "hello", "--strict")[0] == 0


def test_a_filter_that_does_not_answer_is_said_once(folder: Path, call: Call) -> None:
    write(folder, config='\n[checks]\nspamd = "127.0.0.1:1"\n')
    code, out, _ = call("check", "hello", "--json", "--info", "--strict")
    assert code == 0
    assert [finding["severity"] for finding in json.loads(out) if finding["rule"] == "spam"] == ["info"]


def another(folder: Path, post: str, name: str = "2026-05-05-second.md") -> None:
    (folder / "posts" / name).write_text(post.replace("title: Hello", "title: Second"))


def test_of_several_posts_each_has_its_findings_and_what_all_have_is_said_once(folder: Path, call: Call) -> None:
    write(folder, WARNED)
    another(folder, WRONG)
    (folder / "newsletter.toml").write_text(CONFIG.replace('postal_address = "1 Main Street, Springfield"\n', ""))
    code, out, err = call("check", "hello", "second")
    assert code == 1
    lines = err.splitlines()
    assert [line for line in lines if line.startswith("posts/")] == [
        "posts/2026-05-04-hello.md", "posts/2026-05-05-second.md",
    ]  # fmt: skip
    assert err.count("[link-text]") == err.count("[image-source]") == err.count("[postal-address]") == 1
    assert lines.index("Every post") > max(number for number, line in enumerate(lines) if "posts/" in line)
    assert out.startswith("2 posts: 2 errors, ")


def test_all_means_every_post_but_drafts_and_one_that_cannot_be_read_stops_no_other(folder: Path, call: Call) -> None:
    write(folder, WARNED)
    another(folder, POST.replace("title: Hello", "title: [Hello"), "2026-05-06-broken.md")
    another(folder, POST.replace("title: Hello", "title: Hello\ndraft: true"), "2026-05-07-draft.md")
    code, out, err = call("check", "--all", "--json")
    assert code == 2
    assert {finding["post"] for finding in json.loads(out)} == {"posts/2026-05-04-hello.md"}
    assert err.startswith("newsletter: posts/2026-05-06-broken.md:")
    assert len(err.splitlines()) == 1
    code, out, err = call("check", "--all")
    assert (code, out.startswith("2 posts: 0 errors, ")) == (2, True)
    assert "2026-05-07" not in err


@pytest.mark.parametrize("words", [(), ("--all", "hello")])
def test_check_wants_posts_or_all_of_them(folder: Path, call: Call, words: tuple[str, ...]) -> None:
    code, out, err = call("check", *words)
    assert (code, out) == (2, "")
    assert "--all" in err
    assert len(err.splitlines()) == 1


def test_a_finding_in_the_shipped_template_names_no_file_of_the_installed_package(folder: Path, call: Call) -> None:
    write(folder, config='\n[checks]\nclients = ["outlook-windows"]\n')
    config = (folder / "newsletter.toml").read_text()
    (folder / "newsletter.toml").write_text(config.replace("[newsletter]", '[newsletter]\nlogo = "/logo.png"', 1))
    found = json.loads(call("check", "hello", "--json", "--info")[1])
    assert found
    assert all(finding["source"] in {"", "posts/2026-05-04-hello.md"} for finding in found)


def test_what_a_sites_posts_need_is_counted(folder: Path, call: Call) -> None:
    write(folder)
    for number in range(5):
        (folder / f"posts/2026-01-0{number + 1}-deep.md").write_text(f"---\ntitle: Deep {number}\n---\n{'- ' * 60}x\n")
    code, _, err = call("check", "--all")
    assert code == 2
    assert "    5  lists and quotes stand more than 40 deep" in err
    assert "posts/2026-01-05-deep.md:4" in err


def test_what_is_only_worth_knowing_is_left_out_unless_it_is_asked_for(folder: Path, call: Call) -> None:
    write(folder, WRONG)
    seen = {option: json.loads(call("check", "hello", "--json", *option)[1]) for option in ((), ("--info",))}
    assert {finding["severity"] for finding in seen[()]} <= {"error", "warning"}
    assert [finding for finding in seen["--info",] if finding["severity"] != "info"] == seen[()]
    assert len(seen["--info",]) > len(seen[()])


def test_programs_get_paths_from_the_root_of_the_repository(folder: Path, call: Call) -> None:
    (folder / "letter").mkdir()
    for name in ("newsletter.toml", "posts", "subscribers.csv"):
        shutil.move(folder / name, folder / "letter" / name)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    write(folder / "letter", WRONG)
    another(folder / "letter", POST.replace("title: Hello", "title: [Hello"), "2026-05-06-broken.md")
    words = ("--config", "letter/newsletter.toml", "check", "hello", "letter/posts/2026-05-06-broken.md", "--format")
    code, out, _ = call(*words, "github")
    assert code == 2
    lines = out.splitlines()
    assert "::error file=letter/posts/2026-05-04-hello.md,line=11,title=image-source::" in out
    assert any(line.startswith("::error file=letter/posts/2026-05-06-broken.md,") for line in lines)
    assert all(re.match(r"::(error|warning) file=[^,:]+(,line=\d+)?,title=[a-z-]+::.", line) for line in lines)
    sarif = json.loads(call(*words, "sarif")[1])
    results = sarif["runs"][0]["results"]
    rules = [rule["id"] for rule in sarif["runs"][0]["tool"]["driver"]["rules"]]
    assert {result["ruleId"] for result in results} == set(rules)
    places = [result["locations"][0]["physicalLocation"] for result in results]
    assert ("letter/posts/2026-05-04-hello.md", 11) in {
        (place["artifactLocation"]["uri"], place["region"]["startLine"]) for place in places
    }
    root = ElementTree.fromstring(call(*words, "junit")[1])
    assert [suite.get("name") for suite in root] == [
        "letter/posts/2026-05-04-hello.md", "letter/posts/2026-05-06-broken.md",
    ]  # fmt: skip
    assert int(root.get("failures", "0")) == len(root.findall(".//failure")) >= 2
    [alone] = json.loads(call(*words[:4], "--json")[1])[:1]
    assert alone["source"] == "letter/posts/2026-05-04-hello.md"


def test_a_good_post_is_a_test_that_passes(folder: Path, call: Call) -> None:
    write(folder)
    code, out, _ = call("check", "hello", "--format", "junit")
    root = ElementTree.fromstring(out)
    assert (code, root.get("tests"), root.get("failures")) == (0, "1", "0")
    assert call("check", "hello", "--format", "github")[1] == ""


def test_no_heading_stands_over_what_is_not_shown(folder: Path, call: Call) -> None:
    text = "---\ntitle: {}\ndate: 2026-05-04\n---\nWords enough, and [the history of the oaks](https://example.org/oaks).\n"
    for name in ("One", "Two"):
        (folder / "posts" / f"{name.lower()}.md").write_text(text.format(name))
    _, out, err = call("check", "one", "two")
    assert "1 for information (--info shows it)" in out
    assert "Every post" not in err
    assert "Every post" in call("check", "one", "two", "--info")[2]
