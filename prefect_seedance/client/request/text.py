"""Texts as people write and paste them, brought into the one form that is checked, sent and compared."""

from __future__ import annotations

import re
import unicodedata

#: White space of every script, and what takes no room at all: it comes with pasted text, and no reader sees it.
#: Joiners and direction marks stay, as emoji and scripts end with them.
_AROUND = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\u200b\u2060\ufeff"
)
#: Control characters that a prompt may have: tabs, and the ends of lines, which are brought into one form.
IN_A_PROMPT = "\t\n\v\f\r\x85"
#: How a line ends in the text boxes of Windows, in spreadsheets, word processors and web forms. Not the separators
#: U+2028 and U+2029: prompts with them were sent, and are in intents, before line ends were brought into one form.
_LINE_END = re.compile("\r\n|[\r\v\f\x85]")


def canonical_text(text: str) -> str:
    r"""Bring a text into the form in which it is compared: composed (NFC), with nothing blank around it.

    Labels and scopes are hashed in this form, so it is as frozen as the intents are.

    Example:
        >>> canonical_text("\ufeff Cafe\u0301\n") == "Caf\xe9"
        True
    """
    return unicodedata.normalize("NFC", text).strip(_AROUND)


def canonical_lines(text: str) -> str:
    r"""Bring a text of a request into the form in which it is sent and compared: canonical, each line ended by LF.

    Example:
        >>> canonical_lines("\ufeff Cafe\u0301\r\nat noon\n") == "Caf\xe9\nat noon"
        True
    """
    return _LINE_END.sub("\n", canonical_text(text))


#: The control characters that people know by a name: what is met in texts that were copied out of files.
_NAMES = {"\0": "NUL", "\a": "BEL", "\b": "BS", "\x1b": "ESC", "\x7f": "DEL"}


#: The categories Cc and Cs. As a pattern, since a batch looks at millions of letters.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def unprintable(text: str, allowed: str = "") -> str:
    r"""Name the first character of a text that no vendor can print, and where it stands; "" if there is none.

    Args:
        text: The text.
        allowed: Control characters that may stand in it.

    Example:
        >>> unprintable("A paper\x1b boat"), unprintable("A paper boat\n", allowed="\n")
        ('character U+001B (ESC) at position 7 is a control character', '')
    """
    for found in _UNPRINTABLE.finditer(text):
        letter = found[0]
        if letter not in allowed:
            name = f" ({_NAMES[letter]})" if letter in _NAMES else ""
            named = f"U+{ord(letter):04X}{name} at position {found.start()}"
            kind = "half a character (a lone surrogate)" if "\ud800" <= letter <= "\udfff" else "a control character"
            return f"character {named} is {kind}"
    return ""


#: Names by which a prompt calls one of its references, by kind of media.
_MENTION = re.compile(
    r"(?<![A-Za-z0-9._%+-])[@\uff20][\s\u200b]?[\[【(（]?"
    r"(?:(?P<image>images?|img|pictures?|pic|photo|imagen|imagem|bild|изображение|фото"
    r"|图片|图像|图|照片|参考图|圖片|圖像|圖|參考圖|画像|写真|이미지|사진|그림)"
    r"|(?P<video>videos?|vídeo|видео|视频|影片|参考视频|視頻|影片|參考影片|動画|비디오|동영상|영상)"
    r"|(?P<audio>audios?|áudio|аудио|звук|音频|声音|参考音频|音訊|音頻|聲音|音声|오디오|음성))"
    r"[ _#＃(（\[\u200b-]?(?P<number>\d{1,3})(?![A-Za-z0-9_])",
    re.IGNORECASE,
)


def mentions(prompt: str) -> dict[str, dict[str, int]]:
    """List the references that a prompt names by number: by kind of media, as written and the number.

    Example:
        >>> mentions("The boat of @image1 drifts as in @视频 2, not as in me@image3.example.com")
        {'image': {'@image1': 1}, 'video': {'@视频 2': 2}}
    """
    found: dict[str, dict[str, int]] = {}
    for each in _MENTION.finditer(prompt):
        kind = next(name for name in ("image", "video", "audio") if each[name])
        found.setdefault(kind, {})[each[0]] = int(each["number"])
    return found
