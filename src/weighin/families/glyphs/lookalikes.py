"""Pairs of codepoints that are drawn alike though they are not the same character; each list says by which rule.

Unicode's own data give the pairs of equal decomposition (see ``labels._key``); these are the rest.
"""

# Arabic-Indic and Extended Arabic-Indic digits share their shapes but for 4, 5 and 6, and in some languages 7 (The Unicode
# Standard, section 9.2, "Arabic-Indic Digits"). Of Debian's 58 families that draw both blocks 7 is one raster in 54.
_DIGITS = tuple((0x0660 + value, 0x06F0 + value) for value in (0, 1, 2, 3, 7, 8, 9))

# Letters that share a skeleton and dots in these positions (The Unicode Standard, section 9.2, on yeh, kaf and heh):
# Farsi yeh is alef maksura where it ends a word, and Arabic yeh where it begins one or stands inside.
_YEH = ((0x0649, 0x06CC), (0xFEF0, 0xFBFD), (0xFEF3, 0xFBFE), (0xFEF4, 0xFBFF))
# Kaf and keheh differ only where they end a word.
_KAF = ((0xFEDB, 0xFB90), (0xFEDC, 0xFB91))
# Heh and heh doachashmee differ, if at all, only where they end a word.
_HEH = ((0xFEEB, 0xFBAC), (0xFEEC, 0xFBAD))
# U+06D5, ae, is heh in its isolated shape.
_AE = ((0x0647, 0x06D5),)

# Measured: in at least 7 of 10 families of Debian's that draw both, the two are one raster to the last pixel. The
# number of families is behind each: those where they are the same, those that draw both.
_SAME_OUTLINE = (
    (0x0647, 0x06C1),  # heh and heh goal, isolated: 14 of 18
    (0xFEE9, 0xFBA6),  # and as presentation forms: 14 of 14
    (0x06C0, 0x06C2),  # with hamza above: 13 of 18
    (0xFE93, 0x06C3),  # teh marbuta and teh marbuta goal: 10 of 14
    (0xFBAC, 0xFBAA),  # heh doachashmee, initial and isolated: 62 of 82
    (0xFBAD, 0xFBAB),  # and medial and final: 63 of 85
    (0xFB54, 0xFBE6),  # beeh and e, initial: 13 of 17
    (0xFB55, 0xFBE7),  # and medial: 14 of 17
    (0xFB68, 0xFBA2),  # tteh and rnoon, initial: 13 of 16
    (0xFB69, 0xFBA3),  # and medial: 13 of 16
    (0xFBB2, 0xFBB3),  # a dot above and a dot below, as symbols: 5 of 6
)

LOOKALIKES: tuple[tuple[int, int], ...] = (*_DIGITS, *_YEH, *_KAF, *_HEH, *_AE, *_SAME_OUTLINE)
