r"""Makes text plain: text of a trial must not command the terminal that shows it.

An escape sequence can hide a line, change a title or type on a keyboard; a bidirectional control can show a number
backwards. Such characters are shown as escapes, as ``repr`` shows them.
"""

from __future__ import annotations

import re

UNSEEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line end, delete, C1
    "\u00ad\u061c\u180e\u200b\u200e\u200f"  # soft hyphen, marks of direction, spaces without width
    "\u2028-\u202e\u2060-\u206f"  # line and paragraph separators, embeddings, overrides, isolates
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # byte order mark, annotations, tags
    "\ud800-\udfff"  # halves of surrogate pairs, which UTF-8 cannot encode
    "]"
)
"""Characters that are not shown themselves, but act on how a terminal or an editor shows the text around them."""


def plain(text: object) -> str:
    r"""Return a text in which characters that act on a terminal are replaced by escapes; lines stay lines.

    >>> plain("\x1b[2Kdone\nnext")
    '\\x1b[2Kdone\nnext'
    """
    text = str(text)
    if text.isprintable():  # much faster than the search
        return text
    return UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def one_line(text: object) -> str:
    r"""Return a text on one line, without characters that act on a terminal or that UTF-8 cannot encode.

    >>> one_line("no file\n  a.csv")
    'no file a.csv'
    """
    text = str(text)
    if text.isprintable() and "  " not in text:  # much faster than splitting it
        return text.strip()
    return plain(" ".join(text.split()))
