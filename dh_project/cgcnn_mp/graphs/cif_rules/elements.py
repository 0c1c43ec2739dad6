"""Element symbols in sites, labels and formulas."""

from __future__ import annotations

import re

_PERIODS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar",
    "K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe",
    "Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn",
    "Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og",
)
SYMBOLS = " ".join(_PERIODS).split()
ATOMIC_NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS, start=1)}
ISOTOPES = {"D": "H", "T": "H"}

_TYPE = re.compile(r"([A-Za-z]+)(?:\d*[+-]?|[+-]\d*|\(\d*[+-]?\))")
_LABEL = re.compile(r"([A-Za-z]+)(?![A-Za-z])")
_PART = re.compile(r"([A-Z][a-z]?)(\d+\.?\d*|\.\d+)?")
_GROUP = re.compile(r"\(((?:[A-Z][a-z]?[\d.]*)+)\)(\d*)")

Formula = dict[str, float]


def element_of(text: str) -> str | None:
    """Return the element that a symbol in its own case stands for, or None: ``D`` is hydrogen."""
    text = ISOTOPES.get(text, text)
    return text if text in ATOMIC_NUMBERS else None


def elements_of_type(text: str) -> tuple[set[str], bool]:
    """Return the elements that a type symbol can mean, and whether it is clear.

    ``Na``, ``NA``, ``Na1+`` and ``O2-`` are clear. ``HO`` may also be an abbreviated hydroxide, so it is not. Nothing
    is cut off: ``OH`` and ``Wat`` mean no element.
    """
    match = _TYPE.fullmatch(text)
    if not match:
        return set(), False
    letters = match[1]
    if found := element_of(letters):
        return {found}, True
    found = element_of(letters.capitalize())
    is_a_group = len(letters) == 2 and all(map(element_of, letters))
    return ({found} if found else set()), not is_a_group


def elements_of_label(text: str) -> tuple[set[str], bool]:
    """Return the elements that a site label can mean, and whether it is clear.

    ``Na1`` is clear. ``NA1`` and ``HO1`` can mean one element or another; ``OH2`` and ``OW1`` say more than an
    element; ``T1`` is any tetrahedral site.
    """
    match = _LABEL.match(text)
    if not match:
        return set(), False
    letters = match[1].capitalize() if match[1].islower() else match[1]
    if letters != "T" and (found := element_of(letters)):
        return {found}, True
    possible = {element_of(letters.capitalize()), element_of(letters[0].upper()), element_of(letters[:2])}
    return {one for one in possible if one}, False


def parse_formula(text: str | None) -> Formula | None:
    """Return the number of each element in a formula like ``'Ca1 C1 O3'`` or ``Al(CoSi)2``; None if it is no such."""
    if not text:
        return None
    counts: Formula = {}
    compact = _GROUP.sub(_expanded, re.sub(r"[\s,]+", "", text))
    end = 0
    for match in _PART.finditer(compact):
        element = element_of(match[1])
        if match.start() != end or element is None:
            return None
        counts[element] = counts.get(element, 0.0) + float(match[2] or 1)
        end = match.end()
    return counts if counts and end == len(compact) else None


def _expanded(group: re.Match[str]) -> str:
    """Return the part of a formula that stands in brackets, multiplied."""
    return "".join(
        f"{symbol}{float(number or 1) * float(group[2] or 1):.6f}"
        for symbol, number in _PART.findall(group[1])
    )
