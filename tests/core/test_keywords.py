"""What people answer, in many languages, and what is made of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest

from dispatcher.core.exchange import Wish
from dispatcher.core.keywords import HELP, MOST_CHARACTERS, START, STOP, Heard, heard, plain

STOPS = [
    # The law's words, and how people write them
    "STOP", "stop", "Stop.", "STOP!!!", " stop ", "\tSTOP\r\n", "ＳＴＯＰ", "S T O P", "S.T.O.P.", "s-t-o-p", "“Stop”", '"STOP"',
    "STOOOOP", "stopp", "stoppp", "St\u200bop", "\ufeffSTOP", "STOP\u00a0", "Stóp", "STOP 🛑", "🙏 stop 🙏", "stop stop stop",
    "STOP STOP STOP STOP STOP", "STOPALL", "stop all", "Stop-all", "UNSUBSCRIBE", "Unsub", "cancel", "END", "Quit", "REVOKE",
    "opt out", "OPT-OUT", "OptOut", "remove", "TD", "sotp", "unsuscribe", "stop it", "end it",
    # With courtesy, leads and signatures
    "Stop please", "please stop", "PLS STOP", "stop, thanks", "Ok stop now", "Hi, stop", "Can you please stop", "I want to stop",
    "I said STOP!", "no stop", "for the last time: stop", "stop immediately please",
    "STOP\n\nSent from my iPhone", "Stop\n--\nJane Doe\nSales", "stop sent from my Galaxy", "Stop\nGet Outlook for iOS",
    "STOP\nVon meinem iPhone gesendet", "stop\nEnvoyé de mon iPhone", "Stop\nOn Mon, 3 May 2026 at 10:11, +12015550123 wrote:\nJoin me",
    "stop\n> Join me at https://example.com",
    # The first word, and a few more
    "stop texting me", "STOP TEXTING THIS NUMBER", "Stop messaging me please", "stop spamming", "stop all messages", "stop sms",
    "STOP 36111", "Stop the messages", "stop contacting me already", "stop with the texts", "Quit texting me", "cancel my subscription",
    "unsubscribe me from this list", "unsubscribe from all", "Unsubscribe please and thank you", "revoke all", "stop at once",
    "stop for now", "stop for good",
    # Sentences
    "please remove me", "Remove me from your list!", "remove my number", "Delete my number", "take me off this list",
    "take my number off your list", "do not text me again", "Don't text me", "dont text me anymore", "don’t ever message me again",
    "please do not contact me", "Do not send me any more messages", "don't send this again", "no more messages", "No more texts please",
    "no more of your texts", "leave me alone", "lose my number", "cease and desist", "I don't want these texts",
    "i do not want to receive any more messages", "opt me out", "I'd like to opt out", "sign me out", "get me off of this list",
    "Who is this? STOP", "STOP. I don't know you.", "I don't know you, stop", "Wrong person\nstop", "You won't stop texting me!",
    "Not interested, please stop sending me messages", "why can't you stop messaging me", "I can't stop these texts, remove me",
    "please never text me again", "don't text",
    # French, Spanish, Portuguese, Italian
    "ARRET", "arrêt", "Arrêter", "arrêtez svp", "désabonner", "Désinscription", "stop pub", "STOP SMS", "Arrêtez de m'envoyer des messages",
    "ne m'envoyez plus de sms", "plus de messages", "je ne veux plus recevoir vos messages", "désabonnez-moi", "laissez-moi tranquille",
    "ALTO", "baja", "BAJA por favor", "cancelar", "detener", "parar", "para", "salir", "no más mensajes", "no me escriba más",
    "No me envíe mensajes", "no quiero recibir esto", "dejen de enviar mensajes", "bórreme de la lista", "dar de baja", "darme de baja",
    "Pare", "sair", "descadastrar", "não me envie mais mensagens", "não quero mais receber", "pare de me enviar mensagens",
    "me tire dessa lista", "remova meu número", "ferma", "BASTA", "annulla", "basta messaggi", "non mi scrivete più",
    "non voglio più ricevere messaggi", "cancellami",
    # German, Dutch, Nordic
    "abmelden", "Abbestellen bitte", "STOPP", "aufhören", "keine SMS mehr", "Bitte keine weiteren Nachrichten",
    "Bitte nicht mehr schreiben", "nicht mehr anschreiben!", "löschen Sie mich", "hören Sie auf", "lassen Sie mich in Ruhe",
    "afmelden", "stopzetten", "uitschrijven", "geen berichten meer", "stuur me niets meer", "houd op", "avsluta", "sluta", "Avmeld",
    "afmeld", "lopeta", "skicka inte mer", "inga fler sms",
    # Polish, Czech, Russian, Ukrainian, Turkish and more
    "zatrzymaj", "WYPISZ", "wypisz mnie", "rezygnuję", "nie wysyłaj", "Nie pisz do mnie", "odhlásit", "ОСТАНОВИТЬ", "стоп", "Отписаться",
    "не пишите мне", "больше не присылайте", "удалите меня", "СТОП!", "iptal", "RET", "mesaj atma", "berhenti", "từ chối", "đừng nhắn nữa",
    # Arabic, Hebrew, Chinese, Japanese, Korean, Thai, Hindi
    "توقف", "إلغاء", "الغاء الاشتراك", "إيقاف", "لا ترسل لي رسائل", "הסר", "הסירו אותי", "退订", "退訂", "取消", "TD", "请不要再发短信了", "別再傳了",
    "停止", "配信停止", "送らないでください", "やめてください", "수신거부", "중지", "문자 보내지 마세요", "ยกเลิก", "หยุดส่งข้อความ", "बंद करो", "रोकें", "मैसेज मत भेजो",
    "u have wrong number stop", "stop - wrong person", "stop lol", "haha stop", "Stop plz n thx", "déjenme en paz", "no molestar", "Foutez-moi la paix", "lasciatemi in pace", "laat me met rust", "прекратите слать", "stoppe",
]  # fmt: skip

STARTS = [
    "START", "Start please", "unstop", "UN-STOP", "YES", "yes please", "Begin", "resume", "resubscribe", "Subscribe me", "opt in",
    "opt me back in", "start again", "NONARRET", "reprendre", "empezar", "começar", "inizia", "anmelden", "старт", "ابدأ", "开始", "開始", "시작",
]  # fmt: skip

HELPS = [
    "HELP", "help!", "Help me", "INFO", "info please", "?", "???", "¿?", "Who is this?", "what is this", "who's this", "Hilfe", "aide", "ayuda",
    "ajuda", "aiuto", "hulp", "hjälp", "pomoc", "помощь", "кто это?", "مساعدة", "帮助", "ヘルプ", "도움말", "¿Quién es?", "Wer ist das?",
]  # fmt: skip

PERHAPS = [
    "stop laughing", "I already said stop to you people yesterday", "not interested", "wrong number",
    "this is spam", "STOP START", "go away", "who gave you my number", "unsubscribe my cousin from Boston", "I was unsubscribed",
    "he told me to cancel my gym", "the thing with stop does not work", "🛑", "🚫🚫", "atop", "kein Interesse", "pas intéressé",
    "No me interesa", "how did you get my number?", "I never signed up", "my stop request was ignored", "I told her to opt out of that class",
    f"Dear all, {'we had a lovely day at the lake, and ' * 4} by the way please remove me from the picnic plans",
    "no more please", "I quit", "не надо", "停", "もういい", "그만해", "เลิก", "रुको", "stop1", "1 stop",
]  # fmt: skip

NOTHINGS = [
    "", " ", "\u200b", "...", "👍", "bus stop", "At the bus stop!", "stop by tonight", "Stop by the house later", "I can't stop laughing",
    "can't stop won't stop", "don't stop", "Don't stop believing", "please don't stop texting me", "never stop learning", "nonstop fun",
    "non-stop party", "the next stop is mine", "my stop is next", "full stop", "pit stop in Vegas", "stop sign", "stop and go traffic",
    "one stop shop", "I stopped by your place", "we stop at Denver", "send me more info", "can you send info about it", "I need some help with it",
    "let's start tonight", "yes I will come", "yes or no", "ok", "no", "No thanks", "Thank you!", "sounds good", "see you at the end of the week",
    "I quit my job today", "the end is near", "my weekend was great", "who is going?", "what is the plan?", "what time?", "hi", "hello there",
    "gracias para todo", "para ti", "baja la música", "à l'arrivée", "dur dur la vie", "end of story my friend", "I'm driving, don't text and drive",
    "I text a lot", "call me", "dont forget the milk", "1", "+12015550123", "https://example.com/stop", "no problem", "Join me",
    "Liked “Join me on Example: https://example.com. Reply STOP to opt out”", 'Laughed at "Join me. Reply STOP to unsubscribe"',
    "Emphasized “Join me on Example", "👍 to “ Join me. Text STOP to cancel ”", "Join me. Reply STOP to opt out",
    "You have been unsubscribed from com.example and will get no more messages. Reply START to resubscribe.",
    "STOP to end, HELP for help", "I will not stop for less", "no need to cancel", "she wouldn't quit", "don't remove me",
    "please do not unsubscribe me", "example.com/stop",
    "stop and shop", "The end", "i will stop by", "more info", "not me",
]  # fmt: skip

SAMPLES = [
    *((text, Heard(Wish.STOP)) for text in STOPS),
    *((text, Heard(Wish.START)) for text in STARTS),
    *((text, Heard(Wish.HELP)) for text in HELPS),
    *((text, Heard(Wish.STOP, sure=False)) for text in PERHAPS),
    *((text, None) for text in NOTHINGS),
]


@pytest.mark.parametrize(("text", "wish"), SAMPLES)
def test_what_people_answer(text: str, wish: Heard | None) -> None:
    assert heard(text) == wish


VARIATIONS: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "lower case": str.lower,
    "title": str.title,
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "composed": lambda text: unicodedata.normalize("NFC", text),
    "space around": lambda text: f"\n  {text} \t\n",
    "invisible characters": "\u200d\u200b".join,
    "full stops": lambda text: f"{text}!!!",
}


@pytest.mark.parametrize("word", sorted(STOP | START | HELP))
def test_every_word_is_heard_however_it_is_written(word: str) -> None:
    wish = Wish.STOP if word in STOP else Wish.START if word in START else Wish.HELP
    for name, vary in VARIATIONS.items():
        assert heard(vary(word)) == Heard(wish), name
    assert heard(f"{word} please") == Heard(wish)
    assert heard(f"{word}\nSent from my iPhone") == Heard(wish)


def test_the_words_are_kept_as_they_are_compared() -> None:
    assert [word for word in STOP | START | HELP if plain(word) != word] == []
    assert not STOP & START | STOP & HELP | START & HELP


def test_only_the_beginning_of_a_letter_is_read() -> None:
    assert heard(f"{'x' * MOST_CHARACTERS} stop") is None
