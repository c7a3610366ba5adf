"""What User-Agents tell: left what a browser sent, right what we make of it."""

from __future__ import annotations

from typing import Final

import pytest

from dispatcher.core.device import MOST, Device, cleaned, device_of
from dispatcher.core.screening import KnownOs

WEBKIT: Final = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
CHROME: Final = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
IPHONE: Final = f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {WEBKIT} Mobile/15E148"
J2ME: Final = "Profile/MIDP-2.1 Configuration/CLDC-1.1"
SEED: Final = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 6_0_2 like Mac OS X) AppleWebKit/536.26 (KHTML, like Gecko) Version/6.0 "
    "Mobile/10A551 Safari/8536.25"
)
LUMIA: Final = (
    "Mozilla/5.0 (Mobile; Windows Phone 8.1; Android 4.0; ARM; Trident/7.0; Touch; rv:11.0; IEMobile/11.0; NOKIA; "
    "Lumia 520) like iPhone OS 7_0_3 Mac OS X AppleWebKit/537 (KHTML, like Gecko) Mobile Safari/537"
)
PEOPLE: Final = [
    (SEED, KnownOs.IOS),
    (f"{IPHONE} [FBAN/FBIOS;FBAV/465.0;FBDV/iPhone14,5;FBSN/iOS]", KnownOs.IOS),
    (f"{IPHONE} Instagram 330.0.0.40.92 (iPhone14,5; iOS 17_5)", KnownOs.IOS),
    (f"{IPHONE} CriOS/125.0 Safari/604.1", KnownOs.IOS),
    (f"Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) {WEBKIT} Mobile/15E148", KnownOs.IOS),
    (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) {WEBKIT} Version/13.0 Mobile/15E148 Safari/604.1", KnownOs.IOS),
    (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/17.4 Safari/605.1.15", None),
    (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME}", KnownOs.ANDROID),
    (f"Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-S918B) {CHROME} SamsungBrowser/23.0", KnownOs.ANDROID),
    (f"Mozilla/5.0 (Linux; Android 14; SM-S911B; wv) {CHROME} [FB_IAB/FB4A;FBAV/465.0;]", KnownOs.ANDROID),
    (f"Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) {CHROME}", KnownOs.ANDROID),
    (f"Mozilla/5.0 (Linux; U; Android 2.3.5; xx) AppleWebKit/533.1 {J2ME}", KnownOs.ANDROID),
    ("UCWEB/2.0 (MIDP-2.0; U; Adr 4.0.4; en-US; ZTE_U795) U2/1.0.0 UCBrowser/9.4.0 U2/1.0.0 Mobile", KnownOs.ANDROID),
    (f"Mozilla/5.0 (Linux; Android 12; HarmonyOS; NOH-AN00) {CHROME}", KnownOs.ANDROID),
    ("Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114 ArkWeb/4.1 Mobile", None),
    (f"Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950) {CHROME} Edge/15.15063", None),
    (LUMIA, None),
    ("Mozilla/5.0 (Linux; Tizen 2.3; SAMSUNG SM-Z130H) AppleWebKit/537.3 SamsungBrowser/1.0 Mobile Safari/537.3", None),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0 Safari/537.36",
     None),
    ("Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5", KnownOs.FEATURE_PHONE),
    ("Mozilla/5.0 (Mobile; LYF/F90M/LYF-F90M; Android; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
     KnownOs.FEATURE_PHONE),
    (f"Mozilla/5.0 (Series40; Nokia311/03.81; {J2ME}) Gecko/20100401 S40OvbBrowser/2.2", KnownOs.FEATURE_PHONE),
    ("Nokia3310/1.0 Series30", KnownOs.FEATURE_PHONE),
    (f"LG-LX550 AU-MIC-LX550/2.0 MMP/2.0 {J2ME}", KnownOs.FEATURE_PHONE),
    ("LGVN251 Mozilla/4.0 BREW 3.1.5; U; en-us; LGE; NetFront/3.5.1", KnownOs.FEATURE_PHONE),
    ("Game/3.2 CFNetwork/1490.0.4 Darwin/23.2.0", None),
    ("", None),
    ("\U0001f600" * 40, None),
    ("Mozilla/5.0 (" + "Android " * 120, KnownOs.ANDROID),
]  # fmt: skip
PROGRAMS: Final = [
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    # iMessage
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) {WEBKIT} facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    "WhatsApp/2.23.20.0 A",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Twitterbot/1.0",
    "TelegramBot (like TwitterBot)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) {CHROME} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    f"SAMSUNG-SGH-E250/1.0 {J2ME} (compatible; Googlebot-Mobile/2.1; +http://www.google.com/bot.html)",
    f"{IPHONE} Safari/604.1 (Applebot/0.1; +http://www.apple.com/go/applebot)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0 Safari/537.36",
    "Viber/13.3",
    "curl/8.5.0",
    "Wget/1.21",
    "python-requests/2.31",
    "Go-http-client/1.1",
    "Java/17",
]


@pytest.mark.parametrize(("user_agent", "os"), PEOPLE)
def test_a_person_and_their_phone(user_agent: str, os: KnownOs | None) -> None:
    assert device_of(user_agent) == Device(os)


@pytest.mark.parametrize("user_agent", PROGRAMS)
def test_a_program_teaches_nothing(user_agent: str) -> None:
    assert device_of(user_agent) == Device(human=False)


def test_what_is_kept_is_short_and_printable() -> None:
    assert cleaned("a\0b\ud800c\nd\x7f\U0001f600") == "abcd\U0001f600"
    assert cleaned("x" * 70_000) == "x" * MOST
