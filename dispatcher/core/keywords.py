"""What a reply asks for: STOP, START or HELP in many languages, in the words that people use; or a person should look.

Sources: 47 CFR 64.1200(a)(10) and FCC 24-24 (any reasonable means; stop, quit, end, revoke, opt out, cancel and
unsubscribe always count), CTIA's Short Code Monitoring Handbook, the keyword lists of Twilio, AWS and Bird.

A word alone decides, whatever stands around it: courtesy, punctuation, accents, a mail program's signature. So does a
sentence that asks for it plainly. What is said about other things that stop ("bus stop", "I can't stop laughing") is
taken out first; a word of STOP that is left over in it makes the reply doubtful, which a person has to read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from dispatcher.core.exchange import Wish

MOST_CHARACTERS: Final = 1000  # that are read; nobody says STOP on the third page
MOST_WORDS: Final = 25  # of a reply that a phrase in it decides; a longer one is a letter, for a person to read
MOST_AFTER: Final = 10  # words that may follow a word of STOP


@dataclass(frozen=True, slots=True)
class Heard:
    """A wish. One that is not `sure` is perhaps STOP."""

    wish: Wish
    sure: bool = True


# --- Plain words ---------------------------------------------------------------------------------------------------

_JOINED: Final = frozenset("'’‘`´")
_TWINS: Final = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"})


def plain(text: str) -> str:
    """Lower case, without accents, marks and invisible characters, one space between words."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = "".join(map(_letter, unicodedata.normalize("NFKD", folded)))
    return " ".join(unicodedata.normalize("NFC", letters).translate(_TWINS).split())


def _letter(char: str) -> str:
    """What is left of a character: itself if words are made of it, nothing if it is not seen, else a gap."""
    category = unicodedata.category(char)
    if category in ("Mn", "Cf") or char in _JOINED:
        return ""
    return char if category[0] in "LN" or category == "Mc" else " "


def _set(text: str) -> frozenset[str]:
    return frozenset(map(plain, text.split("|")))


# What ends all by itself, and what a sentence may begin with ("stop texting me").
ORDERS: Final = _set(
    "stop|stopp|stop all|stopall|unsubscribe|unsub|cancel|quit|revoke|opt out|optout|remove|halt|"  # English, the law's
    "arret|arreter|arretez|arrete|desabonner|desabonnement|desinscrire|desinscription|résilier|"  # French
    "abmelden|abbestellen|aufhören|stoppen|stoppe|stoppt|kündigen|austragen|"  # German
    "alto|detener|detengan|parar|cancelar|desuscribir|desuscribirme|darse de baja|dar de baja|darme de baja|"  # Spanish
    "sair|descadastrar|descadastre|pare|parem|"  # Portuguese
    "ferma|fermare|fermate|annulla|disiscrivi|disiscrivimi|cancellami|basta|smettila|smettetela|"  # Italian
    "afmelden|stopzetten|uitschrijven|opzeggen|"  # Dutch
    "avsluta|avregistrer|avregistrera|avmeld|afmeld|sluta|slutt|lopeta|lopettakaa|poista|"  # Nordic
    "zatrzymaj|wypisz|wypisz mnie|anuluj|rezygnuję|rezygnacja|przestań|przestańcie|zrušit|odhlásit|leiratkozás|"
    "leiratkozom|dezabonare|oprește|opriți|σταματήστε|σταμάτα|διακοπή|διαγραφή|"  # Central and South-East Europe
    "остановить|остановите|стоп|отписаться|отпишите|отписка|отмена|прекратите|хватит|відписатися|зупинити|"
    "iptal|durdur|abonelikten çık|"  # Turkish
    "توقف|توقفوا|إيقاف|ايقاف|أوقف|إلغاء|إلغاء الاشتراك|הסר|הסרה|הסירו|עצור|די|לעצור|"  # Arabic, Hebrew
    "berhenti|hentikan|batal|hủy|ngừng|từ chối|itigil|tigil|hinto|sitisha|acha|"  # Malay, Vietnamese, Filipino, Swahili
    "退订|退訂|停止|取消|取消订阅|取消訂閱|拒收|别发了|停止发送|解除|配信停止|停止してください|やめて|やめてください|止めて|"
    "수신거부|수신 거부|중지|그만|거부|ยกเลิก|หยุด|रोकें|रोको|बंद|बंद करो|बंद करें"
)
# These only where they are all that is said: in a sentence they mean something else.
ALONE: Final = _set(
    "end|td|ret|dur|para|baja|salir|stp|sotp|stpo|tsop|dtop|stopit|stopping|end all|end it|end this|no more texts|"
    "unsubcribe|unsuscribe|unsubscibe|unsubsribe|unsubscrib|unsubscribed|unsubscribe all|unsubscribe me|cancle|"
    "delete me|take me off|leave me alone|no mas|je ne veux plus|ne plus recevoir|nicht mehr|koniec|конец"
)
STOP: Final = ORDERS | ALONE
START: Final = _set(
    "start|unstop|un stop|yes|begin|resume|revert|subscribe|resubscribe|re subscribe|subscribe me|opt in|optin|"
    "opt me in|opt me back in|start again|start over|add me back|sign me up|sign me up again|undo stop|nonarret|non arret|"
    "commencer|recommencer|reprendre|réabonner|empezar|iniciar|comenzar|reanudar|alta|começar|recomeçar|voltar|"
    "inizia|inizio|ricomincia|starten|anmelden|fortsetzen|aanmelden|hervatten|börja|starta|aloita|rozpocznij|wznów|"
    "старт|начать|возобновить|почати|başla|başlat|ابدأ|استئناف|התחל|mulai|開始|开始|恢复|订阅|再開|시작|재개|เริ่ม|शुरू"
)
HELP: Final = _set(
    "help|info|information|help me|i need help|need help|who is this|whos this|who dis|who are you|who sent this|"
    "what is this|whats this|what is this about|aide|aidez moi|qui est ce|cest qui|cest quoi|hulp|wie is dit|"
    "hilfe|wer ist das|wer bist du|was ist das|ayuda|quien es|quien eres|que es esto|ajuda|quem é|quem e voce|o que é isso|"
    "aiuto|chi è|chi sei|cosa è|hjelp|hjälp|hjælp|apua|pomoc|kto to|помощь|справка|кто это|допомога|yardım|kimsiniz|"
    "مساعدة|עזרה|bantuan|trợ giúp|tulong|帮助|幫助|ヘルプ|도움말|도움|ช่วยเหลือ|मदद"
)

# --- What is said around it ----------------------------------------------------------------------------------------

POLITE: Final = _set(
    "please|pls|plz|plse|please and thank you|thanks|thank you|thankyou|thank u|thx|ty|ok|okay|hi|hello|hey|dear|sir|"
    "madam|maam|guys|now|immediately|asap|right now|right away|at once|again|already|yes|no|yeah|nope|just|lol|haha|hahaha|n|bro|dude|man|kindly|so|and|"
    "can you|could you|would you|will you|can u|i want to|i want you to|i would like to|id like to|i wish to|i need to|"
    "i said|i say|i told you to|you must|you need to|for the last time|sorry|ffs|omg|wtf|damn|god|fucking|the fuck|wrong number|wrong person|wrong no|you have the wrong number|u have the wrong number|u have wrong number|"
    "bitte|danke|sofort|jetzt|por favor|porfavor|porfa|gracias|ahora|ya|obrigado|obrigada|agora|svp|stp merci|"
    "sil vous plait|sil te plait|merci|maintenant|per favore|per piacere|perfavore|grazie|subito|alstublieft|"
    "alsjeblieft|aub|dank u|bedankt|nu|tack|snälla|takk|vær så snill|tak|venligst|kiitos|proszę|dziękuję|"
    "пожалуйста|спасибо|lütfen|teşekkürler|من فضلك|بليز|בבקשה|请|謝謝|谢谢|お願いします|부탁드립니다|ครับ|ค่ะ|कृपया"
)
# What may follow an order: the texts, or us, and nothing that makes it another sentence.
AFTER: Final = POLITE | _set(
    "it|this|that|these|those|all|of|me|my|us|the|your|you|from|to|with|for|at|on|here|ever|anymore|any|more|i|im|am|"
    "not|dont|do|want|wanted|like|need|interested|texting|texts|text|txt|txts|messaging|messages|message|msg|msgs|sms|"
    "mms|spam|spamming|spams|sending|send|contact|contacting|calling|harassing|harassment|bothering|receiving|getting|"
    "service|subscription|subscriptions|alerts|notifications|list|lists|number|phone|cell|mobile|invites|invitations|"
    "invite|inviting|unsubscribe|stop|remove|cancel|quit|end|opt|out|unsub|them|everything|forever|immediatly|bullshit|"
    "shit|crap|good|marketing|ads|advertising|promo|promos|promotions|sub|program|account|database|mailing|nonsense|stuff|"
    "pub|publicité|messages|envoyer|werbung|nachrichten|publicidad|mensajes|mensagens|messaggi|berichten|reklame|reklam|"
    "de|des|les|mes|vos|me|mich|mir|mit|den|die|los|las|por|o|os|as|i|gli|meer|mehr|plus|mas|mais|più|te|to|mnie"
)
_LONGEST_POLITE: Final = max(phrase.count(" ") + 1 for phrase in POLITE)

# --- Sentences -----------------------------------------------------------------------------------------------------

_TEXTS: Final = (
    r"(?:text(?:ing|s)?|txts?|messag\w+|msgs?|sms|spam\w*|send\w*|contact\w*|invit\w+|promo\w*|alerts?|notif\w+|calls?|"
    r"calling)"
)
_WRITE: Final = r"(?:text|txt|message|msg|contact|sms|spam|write|invite|bother|email|call)"
_DO_NOT: Final = r"(?:do not|dont|dnt|do nt|dont you|never|quit|stop|no longer|not to)"
_THESE: Final = r"(?:any |these |those |your |more |this |further |to |get |receive |have |see )*"
# Each asks for it plainly, wherever it stands in a reply.
ASKS: Final = re.compile(
    "|".join(
        (
            # English
            r"\b(?:remove|delete|erase|drop|exclude|unlist) (?:me|us|my (?:number|phone|cell|name|info|contact)|this number)\b",
            r"\btake (?:me|us|my (?:number|name|phone)|this number) (?:off|out)\b",
            r"\bget me (?:off|out)(?: of)? (?:this|your|the)\b",
            r"\b(?:opt|opting|sign) (?:me |us )?out\b(?! of (?:that|a|my|it)\b)|\b(?:unsubscribe|unsub) (?:me|us|this|from)\b",
            rf"\b(?:stop|quit|cease|halt|end|enough)(?: \w+){{0,2}} {_TEXTS}\b|\bcease and desist\b",
            rf"\bno more (?:\w+ ){{0,2}}{_TEXTS}\b",
            rf"\b{_DO_NOT} (?:ever )?{_WRITE} (?:to )?(?:me|us|my|this number|this phone|here|again|any ?more|ever)\b",
            rf"\b{_DO_NOT} (?:ever )?send(?:ing)? (?:me|us|any|more|anything|these|this|such|your|messages|texts|sms)\b",
            rf"\b(?:do not|dont|stop) (?:ever )?{_WRITE}$",
            rf"\b(?:do not|dont|no longer) (?:want|wish|care) {_THESE}(?:text|txt|messag|msg|sms|spam|invit)",
            r"\bleave (?:me|us) (?:the \w+ )?alone\b|\blose (?:my|this) number\b|\bstop (?:this|that|it|all|these|now)$",
            # French
            r"\bne? ?(?:me |nous |m)?(?:envo\w+|contact\w+|ecri\w+) (?:plus|pas)\b|\benvoyez (?:moi )?plus\b",
            r"\bplus (?:de|aucun) (?:messages?|sms|textos?|pub)|\barret\w* (?:de |d)?(?:me |nous |m)(?:envo|contact|ecri|spam)",
            r"\barret\w* (?:les|vos|ces|la|de) (?:messages?|sms|textos?|pub|spam)|\bstop (?:aux|les|au) (?:sms|messages)",
            r"\b(?:retir|supprim|desabonn|desinscri)\w* moi\b|\b(?:laissez|foutez) moi (?:tranquille|la paix)|\bme (?:desabonn|desinscri)\w+",
            r"\b(?:veux|souhaite|desire) plus (?:recevoir|de|vos|ces|etre)\b",
            # German
            r"\bkeinen? (?:weiteren? |mehr )?(?:sms|nachrichten?|texte?|werbung|mitteilungen|einladungen)\b",
            r"\bnicht (?:mehr|weiter) (?:\w+ )?(?:schreib|kontaktier|send|schick|anschreib|texten|erhalten|bekommen)",
            r"\b(?:losch|streich|entfern|nehm|meld|trag)\w* (?:sie )?mich\b|\bhor\w* (?:sie )?(?:damit )?auf\b|\blass\w* (?:sie )?mich in ruhe",
            # Spanish
            r"\bno (?:me |nos )?(?:escriba|envie|mande|contacte|moleste|texte)\w*|\bno (?:quiero )?mas (?:mensajes?|sms|textos?)",
            r"\bno quiero (?:recibir|sus)\b|\bdej\w+ en paz\b|\bno molest\w+|\b(?:dej\w+|pare|paren|para) de (?:enviar|mandar|escribir|molest|contact)",
            r"\b(?:borr|elimin|saqu|quit|sac)(?:e|en|a|ar)me\b|\b(?:dar|den|de)me de baja\b",
            # Portuguese
            r"\bnao (?:me |nos )?(?:envie|mande|escreva|contate|contacte|perturbe)\w*|\bnao quero (?:mais )?(?:receber|mensag|sms)",
            r"\b(?:pare|parem|para) de (?:me )?(?:enviar|mandar|escrever|contat)|\bme (?:tir|remov|exclu|retir|descadastr)\w+",
            r"\b(?:remov|retir|tir|exclu)\w+ (?:o )?meu (?:numero|contato|telefone)",
            # Italian
            r"\bnon (?:mi |ci )?(?:scriv|invi|mand|contatt|disturb)\w+|\bnon (?:voglio|desidero) (?:piu )?(?:ricever|messagg|sms|altri)",
            r"\blasciatemi in pace\b|\b(?:smett\w+|basta) (?:di |con (?:i |gli )?)?(?:messagg|sms|scriv|mand|invi)|\b(?:cancella|rimuov|elimina)\w*mi\b",
            # Dutch and Nordic
            r"\bgeen (?:sms|bericht|reclame)|\bniet meer (?:\w+ )?(?:stur|contact|bericht|sms|app)|\bstuur (?:me |mij )?(?:niets|geen|niet)",
            r"\bhou\w* (?:ermee )?op\b|\bverwijder mij\b|\blaat m(?:e|ij) met rust\b|\bschrijf mij uit\b|\b(?:skicka|send) (?:mig |meg )?(?:inte|ikke|ingen|inga)\b",
            r"\b(?:inga|ingen|ikke) (?:fler|flere) (?:sms|meddeland|melding|beskeder)|\bala\w* lahet",
            # Polish, Czech, Russian, Ukrainian, Turkish
            r"\bnie (?:wysylaj|pisz|chce (?:wiecej|otrzymywac)|przysylaj)|\bwypisz(?:cie)? mnie|\busun\w* (?:mnie|moj numer)|\bneposilejte\b",
            r"\bне (?:пишите|присылаите|отправляите|шлите|звоните|пиши|присылаи|хочу (?:больше|получать)|пишіть|надсилаите)\b",
            r"\bпрекратите (?:слать|присыл|писать|отправл)|\bбольше не (?:пиш|присыл|шлите|надо)|\b(?:удалите|уберите|отпишите|отключите) (?:меня|мои)",
            r"\b(?:mesaj|sms) (?:atma|gonderme|istemi)|\bbeni (?:listeden )?(?:cikar|sil)|\bbir daha (?:mesaj|yaz|sms)",
        )
    )
)
# The same in scripts that do not part their words, or whose words vary at both ends.
PIECES: Final = _set(
    "不要再发|不要再發|不要再傳|不要给我发|不要給我發|别再发|別再傳|请勿再发|請勿再傳|勿再发|别发短信|不要联系我|不要再联系|退订|退訂|取消订阅|取消訂閱|"
    "送らないで|送信しないで|配信停止|配信を停止|配信を止め|送るのをやめ|連絡しないで|보내지 마|보내지 말|보내지마|문자 그만|연락하지 마|수신거부|수신 거부|"
    "หยุดส่ง|ไม่ต้องส่ง|อย่าส่ง|मैसेज मत|मत भेज|संदेश मत|मैसेज बंद|لا ترسل|لا تراسل|لا اريد رسائل|اوقفوا الرسائل|اوقف الرسائل|"
    "وقف الرسائل|توقف عن|אל תשלח|תפסיקו לשלוח|תפסיק לשלוח|הסירו אותי|תורידו אותי|הסר אותי|đừng nhắn|đừng gửi|không nhắn|"
    "jangan kirim|jangan hantar|jangan sms|huwag niyo na|huwag na kayong"
)
_ENDS: Final = r"(?:stop\w*|quit|cancel\w*|end|unsubscrib\w+|remove|revoke|opt out)"
_FILL: Final = r"(?:ever |just |want to |have to |you |please |going to )*"
# About other things that stop, or that nobody wants to end; and our own words, which machines and reactions repeat.
INNOCENT: Final = re.compile(
    r"\b(?:bus|train|tram|truck|metro|subway|rest|pit|full|next|last|first|final|one|non|door|short|tube|coach|taxi|dead|"
    r"back|glottal|tour|gas|emergency|f) ?stops?\b|\b(?:my|our) stop(?= (?:is|s|was|next|now|already)\b|$)|\bnonstop\b"
    rf"|\b(?:do not|dont|never|no need to|without|not to) {_FILL}{_ENDS}(?: \w+ing)?"
    r"|\b(?:cant|can not|cannot|wont|will not|didnt|did not|couldnt|could not|doesnt|does not|wouldnt|would not|not) "
    rf"{_FILL}{_ENDS}\b(?! (?:\w+ )?{_TEXTS})"
    r"|\bstop (?:by|over|in|off|at(?! once)|for(?! now| good| ever)|and (?:go|shop)|signs?|lights?|watch|shop|motion|gap|loss|press)\b"
    r"|\bstopp?ed (?:by|at|in|over|for)\b"
    r"|\b(?:reply|text|txt|send|sms|type|antworten? sie|repondez|responda|envoyez|envie) (?:with |mit |par )?(?:stop|stopp|alto) "
    r"(?:to|zum|um|pour|para) (?:\w+ ){0,4}(?:opt ?out|unsubscribe|cancel|end|quit|stop|\w*melden|arreter|cancelar)"
    r"|\bstop ?2 ?(?:end|quit|stop|cancel|opt ?out)|\bstop to (?:\w+ ){0,2}(?:opt ?out|unsubscribe|cancel|end|quit|stop)\b"
    r"|\byou have been unsubscribed\b.*"
)
# Left over in a reply, each makes it doubtful; so do these sentences.
SIGNS: Final = (ORDERS | _set("unsubscribed|unsubscribing|stopping|opted out|removed|stops|desabonnez")) - _set(
    "halt|alto|pare|parar|basta|sair|ferma|די|dar de baja|acha|batal|停止|取消|解除|거부|그만|remove|quit|sluta|slutt|poista"
)
_PERHAPS: Final = re.compile(
    r"\bnot interested\b|\bwrong (?:number|person)\b|\b(?:this is|its|it is) (?:a )?(?:spam|scam)\b|\bremove\b(?! (?:the|it|that|a)\b)"
    r"|\b(?:go away|get lost|shut up)\b"
    r"|\b(?:fuck|piss|f|buzz) off\b|\bharass|\b(?:lawyer|attorney|sue you)\b|\breport(?:ing|ed)? you\b|\bwho gave you my\b"
    r"|\b(?:how|where) did (?:you|u) (?:get|find) (?:my|this) (?:number|contact|info)\b"
    r"|\b(?:i|we) (?:never|did not|didnt) (?:sign|ask|opt)|\bkein interesse\b|\bfalsche nummer\b|\bno me interesa\b"
    r"|\bnumero equivocado\b|\bpas interesse|\bnon mi interessa\b"
)
MAYBE: Final = _set(  # where they are all that is said
    "spam|scam|no more|enough|atop|stip|stob|stopo|stoo|stil|syop|atpo|shtop|stope|stop 1|stop1|stop2|i quit|no contact|"
    "ya no quiero|nie chcę|не надо|не хочу|отвали|отвалите|non voglio|nao quero|ich will das nicht|je ne veux pas|"
    "停|不要|别烦我|別煩我|もういい|もういらない|그만해|그만하세요|싫어요|เลิก|ไม่เอา|रुको|नहीं चाहिए|كفى|מספיק|די כבר"
)
_ASKING: Final = re.compile(r"\s*[?¿؟？]+[\s?!¿؟？]*")
_STOP_SIGNS: Final = re.compile("[\N{OCTAGONAL SIGN}\N{NO ENTRY}\N{NO ENTRY SIGN}\N{RAISED HAND}]")
_SENTENCES: Final = re.compile(r"[.!?;,:\n。！？、؟،…]+|\s[-–—]+\s")
_SIGNATURE: Final = re.compile(
    r"^\s*(?:--\s*$|>|on .{4,80}wrote:\s*$|(?:am|le|el|em|il) .{4,80}(?:schrieb|crit|escribi|escreveu|scritto).{0,40}:\s*$|"
    r"sent (?:from|via|with) |get outlook for|von meinem |gesendet (?:von|mit)|diese nachricht wurde|envoy\S* (?:de|depuis) |"
    r"obtenir outlook|enviado (?:desde|do|de) |inviato da|verzonden (?:vanaf|met)|skickat fr[aå]n|sendt fra|"
    r"l[aä]hetetty |wys\S*ano z |отправлено с)",
    re.IGNORECASE,
)
_TAIL: Final = re.compile(
    r"\s(?:sent (?:from|via) (?:my |yahoo |outlook )?\S+(?: \S+){0,3}|get outlook for \S+|von meinem \S+ gesendet|"
    r"gesendet von \S+(?: \S+)?|envoy\S de mon \S+|enviado desde mi \S+|inviato da \S+(?: \S+)?)\s*$",
    re.IGNORECASE,
)
_QUOTED: Final = re.compile('[“„«"][^“”„«»"]{10,}(?:[”“»"]|$)')
_LINK: Final = re.compile(r"\b(?:https?://|www\.)\S+|\S+\.\w{2,}/\S*", re.IGNORECASE)
_RUNS: Final = re.compile(r"(\w)\1{2,}")


def heard(text: str) -> Heard | None:
    """What a reply asks for, None where it asks for nothing of that kind. Never raises."""
    said_by_them = _unquoted(_LINK.sub(" ", _unsigned(text[:MOST_CHARACTERS])))
    said = plain(said_by_them)
    if not said:
        return _without_words(said_by_them)
    if wish := _whole(said):
        return Heard(wish)
    rest = " ".join(INNOCENT.sub(" ", said).split())
    if ASKS.search(rest) or any(piece in rest for piece in PIECES):
        return Heard(Wish.STOP, sure=len(said.split()) <= MOST_WORDS)
    sentences = [found for part in _SENTENCES.split(said_by_them) if (found := plain(part))]
    if _is_order(rest) or any(_begins_or_ends(sentence) for sentence in (sentences[0], sentences[-1])):
        return Heard(Wish.STOP)
    if (
        _has_sign(rest)
        or _PERHAPS.search(rest)
        or MAYBE & {" ".join(_without(rest.split(), ends=True)), _impolite(rest)}
    ):
        return Heard(Wish.STOP, sure=False)
    return None


def _without_words(text: str) -> Heard | None:
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    if _ASKING.fullmatch(text):
        return Heard(Wish.HELP)
    return Heard(Wish.STOP, sure=False) if _STOP_SIGNS.search(text) else None


def _whole(said: str) -> Wish | None:
    """The wish of a reply that is a keyword and nothing else, however it is written."""
    bare = _impolite(said)
    letters = said.split()
    readings = {
        said,
        bare,
        " ".join(_without(letters, ends=True)),
        _once(bare),
        _RUNS.sub(r"\1", bare),
        _RUNS.sub(r"\1\1", bare),
    }
    if len(letters) > 2 and all(len(letter) == 1 for letter in letters):
        readings.add("".join(letters))
    found = (wish for wish, words in ((Wish.STOP, STOP), (Wish.START, START), (Wish.HELP, HELP)) if readings & words)
    return next(found, None)


def _is_order(rest: str) -> bool:
    """Whether it begins with a word of STOP, followed by nothing that makes it another sentence."""
    words = _impolite(rest).split()
    for count in (3, 2, 1):
        if " ".join(words[:count]) in ORDERS:
            after = words[count:]
            return 0 < len(after) <= MOST_AFTER and all(word in AFTER or word.isdecimal() for word in after)
    return False


def _begins_or_ends(sentence: str) -> bool:
    """Whether a sentence is a word of STOP alone, such as the first or last one of a reply may be."""
    return _RUNS.sub(r"\1", _impolite(sentence)) in ORDERS


def _has_sign(rest: str) -> bool:
    words = rest.split()
    pairs = {" ".join(pair) for pair in pairwise(words)}
    return bool(SIGNS & {*words, *pairs})


def _impolite(said: str) -> str:
    """Without the words of courtesy before and after, as long as any word is left."""
    return " ".join(_without(_without(said.split(), ends=True), ends=False))


def _without(words: Sequence[str], *, ends: bool) -> list[str]:
    """The words without courtesy at one end."""
    left, before = list(words), 0
    while before != len(left):
        before = len(left)
        for count in range(min(_LONGEST_POLITE, before - 1), 0, -1):
            if " ".join(left[-count:] if ends else left[:count]) in POLITE:
                left = left[:-count] if ends else left[count:]
                break
    return left


def _once(said: str) -> str:
    """One of a word that is said again and again."""
    words = said.split()
    return words[0] if len(set(words)) == 1 else said


def _unsigned(text: str) -> str:
    """The reply without what a mail program put beneath it."""
    kept: list[str] = []
    for line in text.splitlines():
        if kept and _SIGNATURE.match(unicodedata.normalize("NFKC", line)):
            break
        kept.append(line)
    return _TAIL.sub("", "\n".join(kept))


def _unquoted(text: str) -> str:
    """The reply without what it repeats of ours: 'Liked "Join me ..."'; a reply that is all in quotes is theirs."""
    left = _QUOTED.sub(" ", text)
    return left if plain(left) else text
