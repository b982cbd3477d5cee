"""The address of a wallet as a QR code: what is drawn is the code, module by module."""

from __future__ import annotations

import segno

from poolhand.cli.qr_code import CODE_BORDER, qr_code

ADDRESS = "0x4F1C3a7B9D2e8F60514233241506f7e8D9CaBBCD"
SHOWN = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
"""Which of the two modules of a character are drawn in the terminal's first colour."""


def rows_of(drawn):
    """Read modules back: True is what is drawn as ink, whichever colour that is."""
    upper_lower = []
    for line in drawn.splitlines():
        if line:
            upper_lower += list(zip(*(SHOWN[each] for each in line), strict=True))
    return upper_lower


def test_what_is_drawn_is_the_code_of_the_address():
    code = segno.make(ADDRESS, micro=False, error="m")
    wanted = [tuple(row) for row in code.matrix_iter(border=CODE_BORDER)]
    drawn = rows_of(qr_code(ADDRESS))[: len(wanted)]
    inverted = [tuple(1 - each for each in row) for row in drawn]
    assert wanted in (drawn, inverted)
    assert drawn != rows_of(qr_code(ADDRESS.replace("4", "5")))[: len(wanted)]


def test_a_wallet_is_shown_with_its_code_where_that_is_asked_for(cli):
    plain, coded = cli("wallet", "show"), cli("wallet", "show", "--qr")
    (address,) = [line.split()[-1] for line in plain.out.splitlines() if "0x" in line][:1]
    assert coded.out.startswith(plain.out.rstrip())
    assert qr_code(address).splitlines()[1].strip() in coded.out
