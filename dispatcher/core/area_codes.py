"""Which area of the North American Numbering Plan a number lies in, whichever of the area's codes it has.

An area that runs out of numbers gets a further code over the same ground, an overlay. Who lives there knows all of its
codes as local, so a sender with any of them matches a recipient with any other.

Sources, as of 30 September 2026: NANPA's table of area codes, overlay complexes and planning letters
(reports.nanpa.com/public/npa_report.csv), compared with the regulators where they tell more: the CRTC for Canada
(crtc.gc.ca, decisions 2021-364 on 263, 2021-373 on 354, 2021-393 on 468, 2022-50 on 382), Washington for 564
(utc.wa.gov/mh/node/322), Florida for 321 and 689 (floridapsc.com, docket 20180118-TL).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

# Areas parted by commas. An area is its codes, the oldest first, which is its name; a code of several areas stands in
# each. Planned codes are here once a planning letter has set their day, for until then they have no numbers; 761 over
# 502, and 564 over 253 and 425, still wait for theirs.
_UNITED_STATES: Final = (
    "205 659, 251, 256 938, 334 483",  # Alabama
    "907",  # Alaska
    "520, 602 480 623, 928",  # Arizona
    "479, 501, 870 327",  # Arkansas
    "209 350, 213 323 738, 310 424, 408 669, 415 628, 510 341, 530 837, 559 357, 562, 619 858, 626",  # California
    "650, 661, 707 369, 714 657, 760 442, 805 820, 818 747, 831, 909 840, 916 279, 925, 949, 951",
    "303 720 983, 719, 970 748",  # Colorado
    "203 475, 860 959",  # Connecticut
    "302",  # Delaware
    "202 771",  # District of Columbia
    "239, 305 786 645, 321, 352, 386, 407 321 689, 561 728, 727, 772, 813 656, 850 448, 863",  # Florida
    "904 324, 941, 954 754",
    "229, 404 678 470 943, 478, 706 762, 770 678 470 943, 912 565",  # Georgia; 565 from 6 December 2027 (PL-637)
    "808",  # Hawaii
    "208 986",  # Idaho
    "217 447, 309 861, 312 872, 618 730, 630 331, 708 464, 773 872, 815 779, 847 224",  # Illinois
    "219, 260, 317 463, 574, 765, 812 930",  # Indiana
    "319, 515, 563, 641, 712",  # Iowa
    "316, 620, 785, 913",  # Kansas
    "270 364, 502, 606, 859",  # Kentucky
    "225, 318 457, 337, 504, 985",  # Louisiana
    "207",  # Maine
    "301 240 227, 410 443 667",  # Maryland
    "413, 508 774, 617 857, 781 339, 978 351",  # Massachusetts
    "231, 248 947, 269, 313 679, 517, 586, 616, 734, 810, 906, 989",  # Michigan
    "218, 320, 507 924, 612, 651, 763, 952",  # Minnesota
    "228, 601 769, 662 471",  # Mississippi
    "314 557, 417, 573 235, 636, 660, 816 975",  # Missouri
    "406",  # Montana
    "308, 402 531",  # Nebraska
    "702 725, 775",  # Nevada
    "603",  # New Hampshire
    "201 551, 609 640, 732 848, 856, 908, 973 862",  # New Jersey
    "505, 575",  # New Mexico
    "212 917 646 332, 315 680, 516 363, 518 838, 585, 607, 631 934, 716 624, 718 917 347 929 465",  # New York
    "845 329, 914",
    "252, 336 743, 704 980, 828, 910 472, 919 984",  # North Carolina
    "701",  # North Dakota
    "216, 330 234, 419 567, 440 436, 513 283, 614 380, 740 220, 937 326",  # Ohio
    "405 572, 580, 918 539",  # Oklahoma
    "503 971, 541 458",  # Oregon
    "215 267 445, 412 878, 570 272, 610 484 835, 717 223, 724 878, 814 582",  # Pennsylvania
    "401",  # Rhode Island
    "803 839, 843 854, 864 821",  # South Carolina
    "605",  # South Dakota
    "423 729, 615 629, 731, 865, 901, 931",  # Tennessee
    "210 726, 214 972 469 945, 254, 325, 361, 409, 432, 512 737, 713 281 832 346 621, 806, 817 682",  # Texas
    "830, 903 430, 915, 936, 940, 956, 979",
    "435, 801 385",  # Utah
    "802",  # Vermont
    "276, 434, 540 826, 703 571, 757 948, 804 686",  # Virginia
    "206 564, 253, 360 564, 425, 509",  # Washington
    "304 681",  # West Virginia
    "262, 414, 608 353, 715 534, 920 274",  # Wisconsin
    "307",  # Wyoming
    "340, 670, 671, 684, 787 939",  # Virgin Islands, Northern Marianas, Guam, American Samoa, Puerto Rico
)
_CANADA: Final = (
    "403 587 825 368, 780 587 825 368",  # Alberta
    "250 778 236 672 257, 604 778 236 672 257",  # British Columbia
    "204 431 584",  # Manitoba
    "506 428",  # New Brunswick
    "709 879",  # Newfoundland and Labrador
    "902 782",  # Nova Scotia and Prince Edward Island
    "416 647 437 942, 519 226 548 382, 613 343 753, 705 249 683, 807, 905 289 365 742",  # Ontario
    "418 581 367 273, 450 579 354, 514 438 263, 819 873 468",  # Quebec; 273 from 27 February 2027 (PL-632)
    "306 639 474",  # Saskatchewan
    "867",  # Yukon, Northwest Territories, Nunavut
)
_ISLANDS: Final = (
    "809 829 849",  # Dominican Republic
    "876 658",  # Jamaica
    # Bahamas, Barbados, Anguilla, Antigua and Barbuda, British Virgin Islands, Cayman Islands, Bermuda, Grenada
    "242, 246, 264, 268, 284, 345, 441, 473",
    # Turks and Caicos Islands, Montserrat, Sint Maarten, Saint Lucia, Dominica, Saint Vincent, Trinidad and Tobago
    "649, 664, 721, 758, 767, 784, 868",
    "869",  # Saint Kitts and Nevis
)
_PREFIX: Final = len("+1NPA")
_LENGTH: Final = len("+1NPANXXXXXX")


def _by_prefix(areas: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """The names of every code's areas, under the code as E.164 numbers begin with it."""
    names: dict[str, tuple[str, ...]] = {}
    for area in areas:
        name, *overlays = area.split()
        for code in (name, *overlays):
            names[f"+1{code}"] = (*names.get(f"+1{code}", ()), name)
    return MappingProxyType(names)


_AREAS: Final = _by_prefix(
    area for country in (_UNITED_STATES, _CANADA, _ISLANDS) for line in country for area in line.split(", ")
)
CODES: Final = frozenset(prefix.removeprefix("+1") for prefix in _AREAS)  # of three digits


def areas_of(e164: str) -> tuple[str, ...]:
    """The names of the areas that this number may lie in: two numbers are of one area when they share a name.

    Empty for all but geographic numbers of the plan: other countries, toll-free, premium, personal, short codes, words.
    A number of the plan is taken to be valid; no more of it than its area code is looked at.
    """
    return _AREAS.get(e164[:_PREFIX], ()) if len(e164) == _LENGTH else ()
