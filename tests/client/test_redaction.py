"""Texts from outside hold no key, nothing that opens an address, and nothing that cannot be written."""

from __future__ import annotations

import json
import traceback

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prefect_seedance.client.exchange import EXCERPT_BYTES, Exchange
from prefect_seedance.client.outcome import Accepted, Unknown, read_submission
from prefect_seedance.redaction import (
    LONGEST_TEXT,
    SHORTEST_UNMISTAKABLE_KEY,
    clean_address,
    clean_text,
    hide,
    hide_in_error,
    holds_secret,
    keeping_secret,
    shown_json,
    shown_text,
    without_signatures,
)
from tests.client.writings import WRITINGS, gives_away

KEY = "sk_secret_1234567890"

# What opens an address.


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a.b/c.png?X-Amz-Signature=1", "https://a.b/c.png"),
        ("(https://a.b/c.png?sig=1), then", "(https://a.b/c.png), then"),
        ("'https://a.b/c.png#token=1'", "'https://a.b/c.png'"),
        ("https://me:secret@a.b/c?d", "https://a.b/c"),
        ("s3://bucket/key.mp4", "s3://bucket/key.mp4"),
        ("What now? Mail me@a.b #1", "What now? Mail me@a.b #1"),
        ("x" * 100_000, "x" * 100_000),
        (r'{"url":"https:\/\/a.b\/c.mp4?sig=1&se=2","n":1}', r'{"url":"https:\/\/a.b\/c.mp4","n":1}'),
        (r"https:\\/\\/a.b\\/c.mp4?sig=1", r"https:\\/\\/a.b\\/c.mp4"),
        ("at a.b/c.mp4?X-Amz-Signature=1&x=2 now", "at a.b/c.mp4 now"),
        ("//a.b/c.mp4?e=1&st=2", "//a.b/c.mp4"),
        ("https%3A%2F%2Fa.b%2Fc.mp4%3FX-Amz-Signature%3D1%26x%3D2 now", "https%3A%2F%2Fa.b%2Fc.mp4 now"),
        ("https%253A%252F%252Fa.b%252Fc%253Fsig%253D1", "https%253A%252F%252Fa.b%252Fc"),
        ("https&#58;//a.b/c&#63;sig=1", "https&#58;//a.b/c"),
        ("https://a.b/c?url=https%3A%2F%2Fd.e%2Ff%3Fsig%3D1%2520x", "https://a.b/c"),
        ("X-Amz-Signature=1f0c is wrong", "*** is wrong"),
        ("sv=2025&se=2026-11-27&sp=r&sig=a%2Bb%3D is wrong", "*** is wrong"),
        ("OSSAccessKeyId=LTAI&Expires=1795348800&Signature=a", "***"),
        ("x-oss-signature-version=OSS4&x-oss-credential=a", "***"),
        ("q-sign-algorithm=sha1&q-ak=AKID&q-signature=a", "***"),
        ("Policy=a&Key-Pair-Id=K1", "***"),
        ("auth_key=1795348800-0-0-a", "***"),
        ("X%2DAmz%2DSecurity%2DToken=a", "***"),
        ('{"signature": "deadbeef", "model": "m"}', '{"signature": "***", "model": "m"}'),
        (r'"{\"security_token\":\"a\"}"', r'"{\"security_token\":\"***\"}"'),
        ("x-amz-security-token: FwoG and more", "x-amz-security-token: *** and more"),
        ("[(b'X-Amz-Security-Token', b'FwoG')]", "[(b'X-Amz-Security-Token', b'***')]"),
        ("Authorization: Bearer other was refused", "Authorization: Bearer *** was refused"),
        ("authorization=AWS4-HMAC-SHA256 Credential=AKIA, Signature=a", "*** *** ***"),
        ("token: eyJhbGciOiJIUzI1NiJ9.eyJhIjoxMjM0NX0.abcdefgh", "token: ***"),
        ("X-Api-Key: 9f86d081884c was refused", "X-Api-Key: *** was refused"),
        ("AccountName=a;AccountKey=9f86d081==;x", "***"),
        ('{"password": "hunter22", "n": 1}', '{"password": "***", "n": 1}'),
        ("Set-Cookie: session=9f86d081884c7d65; Path=/", "Set-Cookie: ***; Path=/"),
        # What a sentence says stays.
        ("a cookie: chocolate, and the password: none",) * 2,
        ("Policy: violence in the prompt", "Policy: violence in the prompt"),
        ("invalid token: expired", "invalid token: expired"),
        ("the design=blue, progress=50 of task_1", "the design=blue, progress=50 of task_1"),
        ("HTTP 400: Duration must be between 1.8s and 30.2s. [SY_ERR:60]",) * 2,
        ("100% of 5 & more; a \\ b",) * 2,
    ],
)
def test_an_address_is_shown_without_what_may_open_it(text: str, shown: str) -> None:
    assert without_signatures(text) == shown
    assert without_signatures(shown) == shown


# The key.

LONG_KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=60).map("sk_{}".format)
AROUND = st.text(max_size=30) | st.text("%\\u0123456789abcdef&#;x=+/ ", max_size=30)


@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS)
@pytest.mark.parametrize("key", [KEY, 'sk-a.b~!/+=$@;"x', "sk_" + "9" * 200], ids=["usual", "odd", "long"])
def test_no_writing_of_the_key_is_shown(write: object, key: str) -> None:
    written = write(key)  # type: ignore[operator]
    assert gives_away(written, key)
    for text in (written, f"model {written} is busy", f'{{"msg": "{written}"}}', f"x{written}, {written}"):
        assert not gives_away(hide(text, key), key), hide(text, key)
        assert not gives_away(shown_text(text, key), key)


@given(key=LONG_KEYS, name=st.sampled_from(sorted(WRITINGS)), before=AROUND, after=AROUND, longest=st.integers(0, 80))
@example(key="sk_0000000000\\0", name="in letters of full width", before="", after="", longest=0)
@example(key=KEY, name="as it is", before="https://a.b/sk_secret_?q=1 ", after="", longest=80)
def test_nothing_that_is_shown_decodes_to_the_key(key: str, name: str, before: str, after: str, longest: int) -> None:
    text = before + WRITINGS[name](key) + after
    for shown in (hide(text, key), hide(text, key, longest), shown_text(text, key)):
        assert not gives_away(shown, key)
        assert not gives_away(without_signatures(shown), key)


def test_the_case_of_a_key_counts_and_the_words_around_stay() -> None:
    assert hide(f"model{KEY}x and {KEY.upper()}", KEY) == f"model***x and {KEY.upper()}"


@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS)
def test_no_telling_piece_of_the_key_is_left_where_a_text_is_cut(write: object) -> None:
    written = write(KEY)  # type: ignore[operator]
    for longest in range(100, 110 + len(written)):
        shown = hide("x" * 100 + " " + written + " " + "y" * 4000, KEY, longest)
        assert not any(gives_away(shown, KEY[:size]) for size in (len(KEY), 12, 8)), shown


@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS)
def test_no_telling_piece_of_the_key_is_left_where_an_answer_broke_off(write: object) -> None:
    whole = f"<p>no {write(KEY)}".encode()  # type: ignore[operator]
    for size in range(6, len(whole)):
        excerpt = Exchange(status_code=502, body=whole[:size], fault=httpx.ReadError("reset"), secret=KEY).excerpt
        assert not gives_away(excerpt, KEY[:16]), excerpt


def test_an_excerpt_keeps_its_lines_and_its_size() -> None:
    exchange = Exchange(status_code=502, body=b"a\n\tb " + f"{KEY} ".encode() * 5000, secret=KEY)
    assert exchange.excerpt.startswith("a\n\tb *** ***")
    assert len(exchange.excerpt.encode()) <= EXCERPT_BYTES


# A short key, and ids.


@pytest.mark.parametrize("key", ["sk_1", "sk-a", "sk_12345678"])
def test_a_short_key_leaves_words_whole_that_it_is_a_part_of(key: str) -> None:
    assert len(key) < SHORTEST_UNMISTAKABLE_KEY
    text = f"ta{key} di{key} failed; key {key}, Bearer {key}, x={key}"
    assert hide(text, key) == f"ta{key} di{key} failed; key ***, Bearer ***, x=***"


def test_a_short_key_is_found_in_every_writing_where_a_word_begins() -> None:
    for name, write in WRITINGS.items():
        begins_inside = "base64" in name and name != "in base64"
        if not begins_inside:
            assert not gives_away(hide(f"key: {write('sk_a1b2c3')}", "sk_a1b2c3"), "sk_a1b2c3"), name


SHORT_KEYS = st.text("abc_1", min_size=1, max_size=8).map("sk_{}".format)


@given(key=LONG_KEYS | SHORT_KEYS, task_id=st.text("ask_12-/.", min_size=1))
def test_a_task_id_stays_whole_unless_it_is_the_key(key: str, task_id: str) -> None:
    body = json.dumps({"code": 0, "data": {"task_id": f"v{task_id}v"}}).encode()
    outcome = read_submission(Exchange(status_code=200, body=body, secret=key))
    if isinstance(outcome, Accepted):
        assert outcome.task_id == f"v{task_id}v"
    else:
        assert {".", ".."} & {*f"v{task_id}v".split("/")} or holds_secret(f"v{task_id}v", key)


@pytest.mark.parametrize("task_id", ["sk_1", KEY, f"videos-{KEY}", f"videos-{KEY.encode().hex()}", "%73" + KEY[1:]])
def test_the_key_is_no_task_id(task_id: str) -> None:
    key = KEY if len(task_id) > 4 else task_id
    body = json.dumps({"code": 0, "msg": "ok", "data": {"task_id": task_id}}).encode()
    outcome = read_submission(Exchange(status_code=200, body=body, secret=key))
    assert isinstance(outcome, Unknown) and "holds the API key" in outcome.reason
    assert not gives_away(repr(outcome), KEY)


# What is very long, or made to be slow: it ends, or the test is stopped.

SLOW = {
    "addresses without an end": "://" * 10**6,
    "addresses": "a://" * 10**6,
    "users": "a://" + "b" * 4 * 10**6,
    "percent signs": "%25" * 10**6,
    "percent signs in one another": "%" + "25" * 2 * 10**6 + "73",
    "escapes": "\\\\u" * 10**6,
    "backslashes": "\\" * 4 * 10**6,
    "entities": "&amp;" * 10**6,
    "noughts": "&#" + "0" * 4 * 10**6,
    "questions": "?a" * 2 * 10**6,
    "parameters": "sig=1&" * 10**6,
    "quotes": '"a' * 2 * 10**6,
    "headers": "authorization " * 3 * 10**5,
    "blanks": " " * 4 * 10**6,
    "beginnings of the key": "sk_" * 10**6,
    "keys": KEY * 2 * 10**5,
    "base64": "c2tf" * 10**6,
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_four_megabytes_are_cut_before_they_are_looked_at(text: str) -> None:
    for _ in range(20):  # a quadratic search would take hours
        assert len(shown_text(text, KEY)) <= LONGEST_TEXT
    assert not gives_away(shown_text(f"{KEY} {text}", KEY), KEY)
    assert len(without_signatures(text[:100_000])) <= 100_000


def test_a_very_long_answer_is_cut_wherever_it_is_read() -> None:
    long = "x" * 3_900_000
    data = {"task_id": "videos_1", "model": long, "status": long}
    accepted = read_submission(Exchange(status_code=200, body=json.dumps({"code": 0, "data": data}).encode()))
    assert isinstance(accepted, Accepted) and len(repr(accepted)) < 3 * LONGEST_TEXT
    failures = ({"code": long, "msg": long}, {"code": 20002, "msg": [long]}, {"error": {"message": long}}, {long: long})
    for document in failures:
        outcome = read_submission(Exchange(status_code=400, body=json.dumps(document).encode()))
        assert len(repr(outcome)) < 4 * LONGEST_TEXT
    moved = Exchange(status_code=302, headers={"location": f"https://a.b/{long}", "retry-after": "9" * 10**6})
    assert len(repr(read_submission(moved))) < 2 * LONGEST_TEXT


# Errors of libraries.


def test_what_an_error_says_and_those_before_it_say_is_hidden() -> None:
    before = OSError(2, f"no {KEY}", f"/tmp/{KEY}")
    before.add_note(f"asked with {KEY}")
    error = httpx.RemoteProtocolError(f"illegal header b'Bearer {KEY}'")
    error.__cause__, error.__context__ = before, KeyError(KEY.encode(), {"key": [KEY]})
    before.__context__ = error
    hide_in_error(error, KEY)
    told = [repr(each) + str(each) + str(each.args) + str(vars(each)) for each in (error, before, error.__context__)]
    assert not any(gives_away(each, KEY) for each in told)
    assert "illegal header b'Bearer ***'" in told[0] and "no ***" in told[1]


def test_the_key_is_taken_out_of_whatever_an_exception_keeps() -> None:
    inner = [ValueError({KEY, "b"}), KeyError({KEY: 1}), ImportError("no", name=KEY, path=KEY)]
    broken = SyntaxError("bad", ("a.py", 1, 1, f"key = {KEY}"))
    noted = OSError("no")
    noted.add_note(f"of {KEY}")
    group = ExceptionGroup("several", [ExceptionGroup("two", inner), broken])
    noted.__cause__ = group
    hide_in_error(noted, KEY)
    assert KEY not in "".join(traceback.format_exception(noted))
    told = [repr((each, vars(each))) for each in (*inner, broken)]
    assert KEY not in "".join(told) + repr((inner[2].name, inner[2].path, broken.text))  # type: ignore[union-attr]


def test_the_key_in_use_is_that_of_the_innermost_block() -> None:
    with keeping_secret(KEY):
        assert hide(f"a {KEY}") == "a ***"
        with keeping_secret(""):
            assert hide(f"a {KEY}") == "a ***"
        with keeping_secret("sk_another_one"):
            assert hide("a sk_another_one") == "a ***"
    assert hide(f"a {KEY}") == f"a {KEY}"


# What cannot be written.

ODD = st.text(st.characters()) | st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zl"]))


@given(text=ODD, longest=st.integers(0, 50))
def test_a_clean_text_can_be_printed_written_and_sent(text: str, longest: int) -> None:
    clean = clean_text(text, longest)
    assert clean.isprintable() and len(clean) == len(text[:longest])
    clean.encode()
    assert clean_text(clean, longest) == clean


def test_what_can_be_printed_stays_as_it_is() -> None:
    assert clean_text("模型 \U0001f3ac é") == "模型 \U0001f3ac é"
    assert clean_text("line\r\nline\u3000end\x00") == "line  line end\ufffd"


def test_json_of_any_shape_is_cleaned_to_its_leaves() -> None:
    assert shown_json({"a\ud800": ["\x00", 1, None, {"b": "x" * 3000}]}) == {
        "a\ufffd": ["\ufffd", 1, None, {"b": "x" * LONGEST_TEXT}]
    }
    hidden = shown_json({KEY: [{"b": {KEY: f"no {KEY}"}}]}, lambda text: shown_text(text, KEY))
    assert hidden == {"***": [{"b": {"***": "no ***"}}]}


@pytest.mark.parametrize(
    "address", ["https://a.example.com/\ud800", "https://a.example.com/\n", "https://" + "a" * 20_000], ids=ascii
)
def test_an_address_is_never_repaired(address: str) -> None:
    assert clean_address(address) == ""
