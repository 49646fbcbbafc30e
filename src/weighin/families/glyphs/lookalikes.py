"""Pairs of codepoints that are drawn alike though they are not the same character; each list says by which rule.

Unicode's own data give the pairs of equal decomposition (see ``labels._key``); these are the rest.
"""

# Arabic-Indic and Extended Arabic-Indic digits: the standard names 4, 5, 6 and 7 as the ones whose shapes may differ;
# 7 differs in no font measured here. (The Unicode Standard, section 9.2, "Arabic-Indic Digits".)
_DIGITS = tuple((0x0660 + value, 0x06F0 + value) for value in (0, 1, 2, 3, 7, 8, 9))

# Letters that share a skeleton and dots in these positions (Unicode Standard, table 9-9 and the text on yeh, kaf, heh):
# Farsi yeh is alef maksura where it ends a word, and Arabic yeh where it begins one or stands inside.
_YEH = ((0x0649, 0x06CC), (0xFEF0, 0xFBFD), (0xFEF3, 0xFBFE), (0xFEF4, 0xFBFF))
# Kaf and keheh differ only where they end a word.
_KAF = ((0xFEDB, 0xFB90), (0xFEDC, 0xFB91))
# Heh and heh doachashmee differ, if at all, only where they end a word.
_HEH = ((0xFEEB, 0xFBAC), (0xFEEC, 0xFBAD))
# U+06D5, ae, is heh in its isolated shape.
_AE = ((0x0647, 0x06D5),)

LOOKALIKES: tuple[tuple[int, int], ...] = (*_DIGITS, *_YEH, *_KAF, *_HEH, *_AE)
