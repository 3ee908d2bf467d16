r"""Plain text put into the languages that a run writes: Markdown of its page, and what chats and mail read.

What we say about a run is plain text throughout, with the words of others in it: prompts, the vendor's words, names.
Each function takes such a text and returns it in one language, in which it reads as it was. What is ordinary stays as
it is. A break is a space of no width, put only where the text would otherwise address somebody or hide where a link
leads.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from prefect_seedance.plain_text import lines, one_line

Escape = Callable[[str], str]

#: Longest text that stands in the middle of a page.
_LONGEST = 2000
#: A space of no width.
_BREAK = "\u200b"

#: What Markdown would interpret. An underscore inside a word is none: names of tasks and fields have them.
_MARKUP = re.compile(r"[\\`*{}\[\]<>|#!~&]|(?<![^\W_])_|_(?![^\W_])")
#: What begins a list, a rule or a headline where a line begins with it.
_MARKUP_AT_START = re.compile(r"^(\d{0,9})([-+=.)])(?=[\s=-]|$)")
_WWW = re.compile(r"\bwww(?=\.)", re.IGNORECASE)
_UNLIKE_CODE = re.compile(r"[`|\\]")
_LINK = re.compile(r"https?://[^\s<>|`\"'()\[\]*\\]+")
_GROUP = re.compile(r"@(?=(?:everyone|here|channel|all|room|team)\b)", re.IGNORECASE)
_TAG = re.compile(r"<(?=[A-Za-z/!@#:])")
_HIDDEN_LINK = re.compile(r"\](?=[(\[:])")
_FENCE = re.compile(r"``(?=`)")
#: What Slack, or Apprise before it, may take for a call or for a link under other words.
_SLACK_TAG = re.compile(r"(?:[!@#]|\w:)[^| \n]+(?:[ \t]*\|[^\n]*)?>")


# The run's page.


def markdown(text: str) -> str:
    r"""Write a text in a paragraph, a heading or the cell of a table.

    Example:
        >>> markdown("A boat, 16:9"), markdown("[x](javascript:1)|*y*"), markdown("videos_1")
        ('A boat, 16:9', '\\[x\\](javascript:1)\\|\\*y\\*', 'videos_1')
    """
    line = " ".join(one_line(text)[:_LONGEST].split())
    return _MARKUP_AT_START.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", line))


def code(text: str) -> str:
    r"""Write a text as code in a line or in the cell of a table; as plain text if it would end the code.

    Example:
        >>> code("videos_1"), code("a` <b>"), code("")
        ('`videos_1`', 'a\\` \\<b\\>', '')
    """
    line = " ".join(one_line(text)[:_LONGEST].split())
    if not line:
        return ""
    return markdown(line) if _UNLIKE_CODE.search(line) else f"`{line}`"


def prose(text: str) -> str:
    r"""Write a text of several lines as paragraphs, lists and commands: all of it wraps, however narrow the page is.

    Example:
        >>> prose("Do this:\nprefect-seedance resume --store /data\n- or not")
        'Do this:\n\n`prefect-seedance resume --store /data`\n\n- or not\n'
    """
    return "\n\n".join(_paragraph(line.strip()) for line in lines(text).splitlines() if line.strip()) + "\n"


def _paragraph(line: str) -> str:
    if line.startswith("prefect-seedance "):
        return code(line)
    return f"- {markdown(line[2:])}" if line.startswith("- ") else markdown(line)


def fenced(text: str) -> str:
    """Write a text in a block, which scrolls in itself; a table would grow over what is beside it on the page."""
    quoted = lines(text).replace("```", "'''")
    return f"```text\n{quoted}\n```\n"


def link(words: str, address: str) -> str:
    """Write a link. For addresses of ours only; of one that is no page, as a record may have it, the words alone.

    Example:
        >>> link("The run", "http://127.0.0.1:4200/runs/1")
        '[The run](<http://127.0.0.1:4200/runs/1>)'
    """
    if not address.startswith(("http://", "https://")):
        return markdown(words)
    sound = one_line(address).replace("<", "%3C").replace(">", "%3E").replace("\\", "%5C").replace(" ", "%20")
    return f"[{markdown(words)}](<{sound}>)"


def cell(text: str) -> str:
    r"""Write a text in the cell of a table artifact: text in Prefect's UI, but Markdown in its old one.

    So nothing is escaped, and what would lead somewhere or draw something is broken.

    Example:
        >>> cell("a|b_c *d*"), cell("[x](javascript:1) <img>") == "[x]​(javascript:1) <​img>"
        ('a|b_c *d*', True)
    """
    line = " ".join(one_line(text)[:_LONGEST].split())
    return _HIDDEN_LINK.sub(f"]{_BREAK}", _TAG.sub(f"<{_BREAK}", line))


# Messages.


def unlinked(text: str) -> str:
    r"""Break the addresses in a text, so that no chat makes them links.

    Example:
        >>> unlinked("see https://example.com") == "see https:/\u200b/example.com"
        True
    """
    return _WWW.sub(rf"\g<0>{_BREAK}", text.replace("://", f":/{_BREAK}/"))


def guarded(text: str) -> str:
    r"""Write a message for a service whose language is not known: it calls nobody, and hides no link.

    Example:
        >>> guarded("A < B, at @home") == "A < B, at @home"
        True
        >>> guarded("@everyone <!here> [x](https://y)").replace("\u200b", "·")
        '@·everyone <·!here> [x]·(https://y)'
    """
    return _TAG.sub(f"<{_BREAK}", _uncalled(text))


def slack(text: str) -> str:
    """Write a message for Slack as Slack documents it. Slack has nothing that escapes its other marks.

    Example:
        >>> slack("<!channel> & co.")
        '&lt;!channel&gt; &amp; co.'
    """
    return _unfenced(html.escape(_uncalled(text), quote=False))


def slack_by_apprise(text: str) -> str:
    """Write a message for Slack that goes through Apprise, which escapes ``<``, ``>`` and ``&`` itself.

    It then takes back what looks like a call or a link, with the opening ``<`` or without. All of these end in ``>``.

    Example:
        >>> slack_by_apprise("A > B"), slack_by_apprise("!here> <https://evil|click>")
        ('A > B', '!here› <https://evil|click›')
    """
    return _unfenced(_SLACK_TAG.sub(lambda found: found[0].replace(">", "›"), _uncalled(text)))


def discord(text: str) -> str:
    r"""Write a message for Discord.

    Example:
        >>> discord("a_b, *c* ||d||"), discord("<@&1> @here").replace("\u200b", "·")
        ('a_b, \\*c\\* \\|\\|d\\|\\|', '<·@&1> @·here')
    """
    return _outside_links(guarded(text), _marks)


def mattermost(text: str) -> str:
    r"""Write a message for Mattermost, where ``@`` calls whoever has the name that follows.

    Example:
        >>> mattermost("@image1 [x](https://y)").replace("\u200b", "·")
        '@·image1 \\[x\\]·(https://y)'
    """
    text = re.sub(r"@(?=\w)", f"@{_BREAK}", guarded(text))
    return _outside_links(text, lambda part: re.sub(r"[\[\]]", r"\\\g<0>", _marks(part)))


def mail(text: str) -> str:
    r"""Write a message as HTML.

    Example:
        >>> mail("A & B\n<b>")
        'A &amp; B<br/>\n&lt;b&gt;'
    """
    return html.escape(lines(text), quote=False).replace("\n", "<br/>\n")


def _uncalled(text: str) -> str:
    """Break the names of groups, and links under other words, which chats have in common."""
    return _HIDDEN_LINK.sub(f"]{_BREAK}", _GROUP.sub(f"@{_BREAK}", lines(text)))


def _marks(text: str) -> str:
    """Escape what chats take from Markdown. A list stays one: it reads as it was."""
    text = re.sub(r"[\\`*~|]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)
    return re.sub(r"^(\s*)(?=[#>]|-#)", r"\1\\", text, flags=re.MULTILINE)


def _outside_links(text: str, escape: Escape) -> str:
    """Escape a text but for the links in it: an escape in the middle of one would lead elsewhere."""
    parts: list[str] = []
    end = 0
    for found in _LINK.finditer(text):
        parts += [escape(text[end : found.start()]), found[0]]
        end = found.end()
    return "".join([*parts, escape(text[end:])])


def _unfenced(text: str) -> str:
    return _FENCE.sub(f"``{_BREAK}", text)
