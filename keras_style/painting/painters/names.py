"""Names of styles, and their cards: what is known about each."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from keras_style import checks
from keras_style.errors import InputError

FILE = "painter.keras"  # of a preset
LINE = "line"  # the entry of a card that every style has
_MAX_CARD = 2**14  # bytes of JSON, ours: a few pages
_NAME = re.compile(r"[\w][\w .()-]{0,63}")


def new_name(name: Any, taken: Sequence[str]) -> str:
    """`name`, if it can be that of a new style.

    Raises:
        InputError: it is no name, or taken.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"name is {checks.shown(name)}; expected 1 to 64 letters, digits, blanks or any of _ . ( ) -, beginning "
            "with a letter or digit"
        )
    if name in taken:
        raise InputError(f"name is {name!r}, which is taken; expected another one, or `forget` first")
    return name


def card_of(name: str, about: Any, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The card of a style: what is said about it, and `more`; a line alone will do.

    Raises:
        InputError: it is neither a line nor JSON values by name, or too long.
    """
    given = {LINE: about} if isinstance(about, str) else {} if about is None else about
    try:
        card = json.loads(json.dumps({**(more or {}), **given}, allow_nan=False))
        long = len(json.dumps(card)) > _MAX_CARD
    except (TypeError, ValueError):
        raise InputError(f"card of {name}: {checks.shown(about)}; expected JSON values by name") from None
    if long:
        raise InputError(f"card of {name} has more than {_MAX_CARD:,} characters; expected less")
    card.setdefault(LINE, "")
    if not isinstance(card[LINE], str) or "\n" in card[LINE]:
        raise InputError(f"card of {name}: {LINE} is {checks.shown(card[LINE])}; expected one line of text")
    return dict(card)


def styles_of(given: Any) -> dict[str, dict[str, Any]]:
    """Cards by the names of styles.

    Raises:
        InputError: names or cards are not as expected.
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else [(name, None) for name in given]
    names = [new_name(name, [earlier for earlier, _ in pairs[:number]]) for number, (name, _) in enumerate(pairs)]
    return {name: card_of(name, about) for name, (_, about) in zip(names, pairs, strict=True)}
