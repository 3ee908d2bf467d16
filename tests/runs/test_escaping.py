"""Foreign words in the languages that a run writes: they read as they were, and do nothing."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from prefect_seedance import StoredVideo, VideoRequest
from prefect_seedance.pipeline.record_lookup import Standing
from prefect_seedance.plain_text import lines, one_line
from prefect_seedance.runs.notifications import escaping
from prefect_seedance.runs.notifications.escaping import (
    code,
    discord,
    fenced,
    guarded,
    mail,
    markdown,
    mattermost,
    slack,
    slack_by_apprise,
    unlinked,
)
from prefect_seedance.runs.notifications.messages import NoVideo, success_message
from prefect_seedance.runs.pages import run_page
from prefect_seedance.runs.pages.run_page import cancelled_markdown, failure_markdown, stored_markdown

ORDINARY = [
    "A ceramic mug on a slow turntable, studio light; 16:9 (warm) - 50% faster!",
    "Ein Papierboot 🚤 fährt, eine Familie 👨\u200d👩\u200d👧 sieht zu. 一只纸船。",
    "a_snake_case name, a file C.mp4 and $5",
]
CHATS = [slack, slack_by_apprise, discord, mattermost, guarded]
#: Without the spaces of no width, which nobody sees.
BREAK = "\u200b"


@pytest.mark.parametrize("text", ORDINARY)
@pytest.mark.parametrize("escape", [*CHATS, mail, lines, one_line, unlinked], ids=lambda each: each.__name__)
def test_ordinary_words_stay_as_they_are(text: str, escape: escaping.Escape) -> None:
    assert escape(text) == text


@pytest.mark.parametrize("escape", CHATS, ids=lambda each: each.__name__)
@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("@everyone", r"@everyone"),
        ("@HERE now", r"@HERE"),
        ("<!channel>", r"<!channel>"),
        ("!channel>", r"(?<!\u200b)!channel>$"),
        ("<@U123|Bob>", r"<@U123\|?[^›]*>"),
        ("<@&42>", r"<@&42>"),
        ("<#C1>", r"<#C1>"),
        ("<https://evil.example|bank.example>", r"<https://evil.example\|bank.example>"),
        ("[bank](https://evil.example)", r"\]\(https"),
        ("[bank][1]", r"\]\["),
        ("[1]: https://evil.example", r"\]:"),
        ("<at>id</at>", r"<at>.*</at>"),
        ("&lt;!channel&gt;", r"<!channel>"),
    ],
)
def test_no_chat_is_called_or_led_elsewhere(escape: escaping.Escape, text: str, call: str) -> None:
    said = escape(text)
    if escape is slack_by_apprise and "<at>" in text:
        return  # of Teams alone
    if escape is guarded and text.startswith("!"):
        return  # only Apprise makes a call of this
    if escape in (discord, mattermost) and text.startswith("!"):
        return
    assert not re.search(call, said), said
    for word in re.findall(r"\w{3,}", text):
        assert word in said.replace(BREAK, "").replace("\\", ""), "it can be read"


def test_the_marks_of_discord_are_shown_and_links_lead_where_they_did() -> None:
    link = "https://bucket.s3.amazonaws.com/v/a_b_.mp4?X-Amz-Credential=A%2F1&X-Amz-Signature=_x_"
    assert discord(link) == link == mattermost(link) == guarded(link)
    assert discord("||secret|| _it_ ```x```\n# big\n> quoted") == (
        r"\|\|secret\|\| \_it\_ \`\`\`x\`\`\`" + "\n\\# big\n\\> quoted"
    )
    assert slack(link) == link.replace("&", "&amp;")
    assert slack_by_apprise(link) == link, "Apprise does that"


def test_the_address_in_a_prompt_is_no_link_in_a_message() -> None:
    stored = StoredVideo.model_construct(
        task_id="videos_1", uri="s3://b/v.mp4", model="m", cost=None, cost_source="", submissions=1, reused=False
    )
    _, body = success_message(
        stored, VideoRequest(prompt="see https://evil.example now"), run_url="http://127.0.0.1:4200/runs/flow-run/1"
    )
    assert "https://evil.example" not in body
    assert "evil.example now" in body
    assert body.endswith("\nThe run: http://127.0.0.1:4200/runs/flow-run/1")
    assert "The run" not in success_message(stored, VideoRequest(prompt="x"))[1]


HOSTILE = (
    "`a` | <script>alert(1)</script> ![x](https://e.example) [y](javascript:1)\r\n# big\u202e \x1b[2J ```\n&lt;b&gt;"
)


def test_a_text_in_a_page_is_one_line_that_nothing_is_made_of() -> None:
    said = markdown(HOSTILE)
    assert "\n" not in said and "\u202e" not in said and "\x1b" not in said
    assert re.sub(r"\\[\\`*_{}\[\]<>|#!~&]", "", said).isprintable()
    assert not re.search(r"(?<!\\)[`|<>\[\]!#*&]", said)
    assert markdown(ORDINARY[1]) == ORDINARY[1]


@pytest.mark.parametrize("text", ["__a__", "_a_", "___a___", "a __b__ c", "(_a_)", "é_ü _ö_", "snake_case_"])
def test_no_underscore_makes_words_bold_or_slanted(text: str) -> None:
    shown = MarkdownIt().render(markdown(text))
    assert shown == f"<p>{text}</p>\n"
    assert not re.search(r"(?<![\w\\])_|(?<!\\)_(?!\w)", discord(text))


@pytest.mark.parametrize("text", ["a`b", "`", "``x``", "a|b", "a\\|b", "x\ny", HOSTILE])
def test_code_cannot_be_left(text: str) -> None:
    said = code(text)
    assert "\n" not in said
    if said.startswith("`"):
        assert said.count("`") == 2 and "|" not in said
    else:
        assert not re.search(r"(?<!\\)(?:\\\\)*[`|<\[]", said)


def test_a_block_cannot_be_left() -> None:
    assert fenced("a\n```\n# out\n````x").count("```") == 2


def test_no_page_holds_a_foreign_word_as_it_came() -> None:
    request = VideoRequest.model_construct(**{**VideoRequest(prompt="x").model_dump(), "prompt": HOSTILE})
    standing = Standing(HOSTILE, scope=f"scope:{HOSTILE}")
    stored = StoredVideo.model_construct(
        **dict.fromkeys(("uri", "key", "provenance_uri", "task_id", "sha256", "model", "cost_source"), HOSTILE),
        **dict.fromkeys(("created_at", "completed_at", "stored_at"), None),
        **dict.fromkeys(("width", "height", "seconds", "bytes", "submissions"), 1),
        reused=True,
        cost=1.0,
        intent="1f0c",
    )
    pages = [
        stored_markdown(stored, request, ""),
        failure_markdown(NoVideo(RuntimeError("x"), HOSTILE, advice=HOSTILE), request),
        cancelled_markdown(request, standing),
        cancelled_markdown(request, Standing(scope=f"scope:{HOSTILE}")),
    ]
    for page in pages:
        outside = re.sub(r"^```text\n.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
        assert not re.search(r"(?<!\\)(?:<script|!\[|\]\(|`a`)", outside), outside
        assert {line for line in outside.splitlines() if line.startswith("# ")} <= {
            "# Video reused", "# No video: RuntimeError", "# The run was cancelled",
        }  # fmt: skip
        assert "\u202e" not in page and "\x1b" not in page


#: What returns Markdown, and may therefore stand in a page.
MARKDOWN = {
    "markdown",
    "code",
    "fenced",
    "link",
    "table",
    "_asked",
    "_standing",
    "image",
    "prose",
    "sizes",
    "unknown_markdown",
}


def test_everything_that_a_page_is_made_of_is_markdown() -> None:
    """A text that comes into a page by any other way than these functions would not be escaped."""
    tree = ast.parse(inspect.getsource(run_page))
    makers = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.name.endswith("_markdown") or node.name in {"_asked", "_standing", "table", "page"})
    ]
    assert len(makers) >= 8
    own = {"said", "listed", "known", "words", "asked", "cell", "paid", "told"}  # escaped before, or right after
    raw = [
        ast.unparse(part)
        for maker in makers
        for part in ast.walk(maker)
        if isinstance(part, ast.FormattedValue)
        and not (isinstance(part.value, ast.Call) and ast.unparse(part.value.func) in MARKDOWN | {"one_line"})
        and not (isinstance(part.value, ast.Name) and part.value.id in own)
        and not inside_an_escape(part, maker)
    ]
    assert raw == []


def inside_an_escape(part: ast.AST, maker: ast.AST) -> bool:
    return any(
        part in ast.walk(call)
        for call in ast.walk(maker)
        if (isinstance(call, ast.Call) and ast.unparse(call.func) in MARKDOWN)
        or (isinstance(call, ast.Assign) and ast.unparse(call.targets[0]) == "said")
    )


def test_every_message_goes_through_the_language_of_its_block() -> None:
    package = Path(run_page.__file__).parents[2]
    # Not that of a condition between threads, which takes nothing.
    sending = {path.name for path in package.rglob("*.py") if re.search(r"\.a?notify\([^)]", path.read_text("utf-8"))}
    assert sending == {"notifiers.py"}
    source = (package / "runs" / "notifications" / "notifiers.py").read_text("utf-8")
    assert source.count(".notify(") == 1
    assert source.index("message_for(block, subject, body)") < source.index(".notify(body, subject)")


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,x", " https://x", ""]
)
def test_a_link_leads_to_pages_alone(address: str) -> None:
    assert escaping.link("The *run*", address) == r"The \*run\*"


@pytest.mark.parametrize("text", ["- a", "+ a", "1. a", "12) a", "---", "===", "-"])
def test_no_text_begins_a_list_a_rule_or_a_headline(text: str) -> None:
    assert escaping.markdown(text).replace("\\", "", 1) == text != escaping.markdown(text)


@pytest.mark.parametrize("text", ["-5 degrees", "+49 30", "1.5 s", "16:9", "2026-11-27", "seedance2.0-mini", "=5"])
def test_a_number_that_begins_a_text_stays_as_it_is(text: str) -> None:
    assert escaping.markdown(text) == text


def test_an_address_without_its_scheme_is_no_link_either() -> None:
    assert (
        escaping.unlinked("see www.example.com, WWW.x.org, a www")
        == "see www\u200b.example.com, WWW\u200b.x.org, a www"
    )
