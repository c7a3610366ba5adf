"""The words in which people ask for STOP, START or HELP, and what is said around them: data, which keywords.py reads.

Words and phrases are parted by bars and written as people spell them. STEMS may go on ("usuń" is also "usuńcie"), but one
of up to three letters is a word ("sms"). Sources: see keywords.py; the rest is what people write.
"""

from __future__ import annotations

from typing import Final

# --- Keywords ------------------------------------------------------------------------------------------------------

# What ends all by itself, and what a sentence may begin with ("stop texting me").
ORDERS: Final = (
    "stop|stopp|stop all|stopall|unsubscribe|unsub|cancel|quit|revoke|opt out|optout|remove|cease|desist|discontinue|terminate|unenroll|sotp|stpo|tsop|dtop|sttop|sstop|st0p|"  # English
    "arret|arreter|arretez|arrete|cesser|cessez|cesse|desabonner|desabonnement|desinscrire|desinscription|résilier|"  # French
    "abmelden|abmeldung|abbestellen|aufhören|stoppen|stoppe|stoppt|kündigen|austragen|widerruf|"  # German
    "alto|detener|detengan|detente|deténganse|parar|cancelar|desuscribir|desuscribirme|desuscríbeme|darse de baja|dar de baja|darme de baja|"  # Spanish
    "sair|descadastrar|descadastre|pare|parem|"  # Portuguese
    "ferma|fermare|fermate|fermatevi|annulla|disiscrivi|disiscrivimi|cancellami|basta|smettila|smettetela|"  # Italian
    "afmelden|stopzetten|uitschrijven|opzeggen|"  # Dutch
    "avsluta|avslutt|avregistrer|avregistrera|avmeld|afmeld|sluta|slutt|stoppa|lopeta|lopettakaa|poista|peruuta|"  # Nordic
    "zatrzymaj|wypisz|wypisz mnie|anuluj|rezygnuję|rezygnacja|przestań|przestańcie|zrušit|odhlásit|přestaňte|nepište|leiratkozás|"
    "leiratkozom|dezabonare|oprește|opriți|σταματήστε|σταμάτα|διακοπή|διαγραφή|απεγγραφή|στοπ|"  # Central and South-East Europe
    "остановить|остановите|стоп|отписаться|отпишите|отписка|отмена|прекратите|перестаньте|хватит|отстань|отстаньте|"
    "відписатися|зупинити|припиніть|iptal|durdur|durdurun|abonelikten çık|"  # Russian, Ukrainian, Turkish
    "توقف|توقفوا|قف|إيقاف|ايقاف|أوقف|إلغاء|إلغاء الاشتراك|הסר|הסרה|הסירו|להסיר|עצור|די|לעצור|תפסיקו|תפסיק|"  # Arabic, Hebrew
    "berhenti|hentikan|batal|hủy|ngừng|dừng lại|từ chối|itigil|tigil|hinto|sitisha|"  # Malay, Vietnamese, Filipino, Swahili
    "退订|退訂|停止|请停止|請停止|取消|取消订阅|取消訂閱|拒收|别发了|停止发送|解除|配信停止|停止してください|やめて|やめてください|止めて|"
    "ストップ|수신거부|수신 거부|중지|그만|거부|스톱|ยกเลิก|หยุด|रोकें|रोको|बंद|बंद करो|बंद करें|बंद कर दो"
)
# These only where they are all that is said: in a sentence they mean something else.
ALONE: Final = (
    "end|td|ret|halt|para|baja|salir|stp|stopit|stopping|stop means stop|reply stop|text stop|send stop|"
    "end all|end it|end this|delete|erase|i want out|take me off|"
    "remov me|unsubcribe|usubscribe|unsuscribe|unsubscibe|unsubsribe|unsubscrib|unsubscribed|unsubscribe all|unsubscribe me|cancle|"
    "opting out|ne plus menvoyer|ne plus recevoir|pas de sms|pas de messages|je ne veux plus recevoir|nicht mehr|löschen|loeschen|no mas|"
    "dame de baja|eliminar|elimina|borrar|borra|chega|ja chega|cancela|quero sair|remover|excluir|cancella|cancellare|rimuovi|rimuovere|"
    "niente sms|verwijderen|ta bort|fjern|koniec|usuń|nie pisz|konec|конец|удалить|удалите|видалити|mesaj atma|bana mesaj atma|sms atma|"
    "mesaj gönderme|band karo|band kro"
)
START: Final = (
    "start|unstop|un stop|yes|begin|resume|revert|subscribe|resubscribe|re subscribe|subscribe me|resubscribe me|opt in|optin|"
    "opt me in|opt me back in|start again|start over|start texting me|start texts|resume texts|add me back|sign me up|sign me up again|"
    "undo stop|nonarret|non arret|"
    "commencer|recommencer|reprendre|réabonner|empezar|iniciar|comenzar|reanudar|alta|começar|recomeçar|voltar|"
    "inizia|inizio|ricomincia|starten|anmelden|fortsetzen|aanmelden|hervatten|börja|starta|aloita|rozpocznij|wznów|"
    "старт|начать|возобновить|почати|başla|başlat|ابدأ|استئناف|התחל|mulai|開始|开始|恢复|订阅|再開|시작|재개|เริ่ม|शुरू"
)
HELP: Final = (
    "help|info|information|help me|i need help|need help|who is this|whos this|who dis|who are you|who sent this|who is texting me|"
    "what is this|whats this|what is this about|whats this about|aide|aidez moi|qui est ce|cest qui|cest quoi|hulp|wie is dit|"
    "hilfe|wer ist das|wer bist du|was ist das|ayuda|quien es|quien eres|que es esto|ajuda|quem é|quem e voce|o que é isso|"
    "aiuto|chi è|chi sei|cosa è|hjelp|hjälp|hjælp|apua|pomoc|kto to|помощь|справка|кто это|допомога|yardım|kimsiniz|"
    "مساعدة|עזרה|bantuan|trợ giúp|tulong|帮助|幫助|ヘルプ|도움말|도움|ช่วยเหลือ|मदद"
)
NEGATIVE: Final = "no|nope|nah|not"  # with one of these, nobody asks for START

# --- What is said around it ----------------------------------------------------------------------------------------

POLITE: Final = (
    "please|pls|plz|plse|please and thank you|thanks|thank you|thank you very much|thankyou|thank u|thx|ty|ok|okay|hi|hello|hey|dear|sir|"
    "madam|maam|guys|now|immediately|asap|right now|right away|at once|again|already|yes|no|yeah|nope|nah|just|lol|haha|hahaha|n|bro|dude|"
    "man|kindly|so|and|or else|can you|could you|would you|will you|can u|i want to|i want this to|i want it to|i want you to|"
    "i would like to|id like to|i wish to|i need to|i said|i say|i told you to|i asked you to|i am asking you to|im asking you to|you must|you need to|"
    "for the last time|sorry|ffs|omg|wtf|damn|god|fucking|the fuck|wrong number|wrong person|wrong no|you have the wrong number|"
    "u have the wrong number|u have wrong number|"
    "bitte|bitte um|danke|sofort|jetzt|ich möchte|ich möchte mich|ich will|ich will mich|por favor|porfavor|porfa|gracias|ahora|ya|quiero|"
    "obrigado|obrigada|agora|quero|svp|stp merci|sil vous plait|sil te plait|stp|merci|maintenant|je veux|je veux me|per favore|per piacere|"
    "perfavore|grazie|subito|alstublieft|alsjeblieft|graag|aub|dank u|bedankt|ik wil|ik wil me|ik wil mij|nu|tack|snälla|takk|vær så snill|"
    "tak|venligst|kiitos|proszę|dziękuję|пожалуйста|спасибо|будь ласка|дякую|lütfen|artık|teşekkürler|من فضلك|شكرا|بليز|בבקשה|תודה|"
    "tolong|sila|mohon|po|tafadhali|vui lòng|xin|请|謝謝|谢谢|お願いします|부탁드립니다|ครับ|ค่ะ|कृपया"
)
# What may follow an order, besides courtesy: the texts, or us, and nothing that makes it another sentence.
AFTER: Final = (
    "it|this|that|these|those|all|of|me|my|us|the|your|ur|you|from|to|with|for|at|on|up|here|ever|anymore|any|more|i|im|am|consent|"
    "not|dont|do|want|wanted|like|need|interested|texting|txting|texts|text|txt|txts|messaging|messages|message|msg|msgs|sms|receive|"
    "mms|spam|spamming|spams|sending|send|contact|contacting|calling|harassing|harassment|bothering|bugging|annoying|asking|blowing|"
    "receiving|getting|service|subscription|subscriptions|alerts|notifications|list|lists|number|phone|cell|mobile|invites|invitations|"
    "invite|inviting|unsubscribe|stop|remove|cancel|quit|end|opt|out|unsub|them|everything|forever|immediatly|bullshit|communication|"
    "shit|crap|good|marketing|ads|advertising|promo|promos|promotions|sub|program|account|database|mailing|nonsense|stuff|means|desist|"
    "ça|pub|publicité|envoyer|werbung|nachrichten|publicidad|mensajes|mensagens|messaggi|berichten|reklame|reklam|abonnement|"
    "suscripción|inscrição|assinatura|iscrizione|abbonamento|subskrypcję|"
    "de|des|les|mes|vos|me|mich|mir|mit|den|die|los|las|por|o|os|as|i|gli|mij|mig|meg|meer|mehr|plus|mas|mais|più|te|to|mnie|niyo|nyo|na|em|sie|das|smsjes|smsen|det|viestit|смс|сообщения|рассылку|спам|et|edin|الرسائل|tin|nhắn|đăng|ký"
)

# --- Sentences -----------------------------------------------------------------------------------------------------

_TEXTS: Final = (
    r"(?:text(?:ing|s)?|txts?|txting|messag\w+|msgs?|sms|spam\w*|send\w*|contact\w*|communications?|invit\w+|promo\w*|alerts?|notif\w+|"
    r"calls?|calling)"
)
_WRITE: Final = r"(?:text|txt|message|msg|contact|sms|spam|write|invite|bother|email|call)"
_NOBODY_ELSE: Final = (  # "you never text me" is a complaint of the opposite
    r"(?<!\bwhy )(?<!(?<!told )(?<!asked )\byou )(?<!\bu )(?<!\bthey )(?<!he )"
)
_DO_NOT: Final = rf"{_NOBODY_ELSE}\b(?:do not|dont|dnt|do nt|dont you|never|quit|stop|no longer|not to)"
_NOT_FOR_NOW: Final = (
    r"(?! (?:while|when|whenever|until|till|before|after|at (?!all|this)|during|tonight|tomorrow|today|yet|call)\b)"
)
_THESE: Final = r"(?:any |these |those |your |more |this |further |to |get |receive |have |see |be )*"
_MINE: Final = r"(?:me|us|my (?:number|phone|cell|name|info|data|contact|from)|this (?:number|phone))"
# "opt out of the trial" may be about something else
_OF_THIS: Final = rf"(?! of (?!(?:\w+ ){{0,3}}(?:{_TEXTS}|lists?|service|program|subscription|marketing)\b|(?:this|these|them|all|everything)$))"
_CONSENT: Final = r"(?:consent|permission|authori[sz]ation)"
# Each asks for it plainly, wherever it stands in a reply, as do the pairs and phrases after it.
SENTENCES: Final = (
    rf"\b(?:remove|delete|erase|drop|exclude|unlist|unenroll|unsub\w+) {_MINE}\b",
    r"\b(?:want|like|wish|ask\w*|have|get) (?:to (?:be|get) |me )?(?:removed|taken off|unsubscribed|deleted|opted out)\b",
    rf"\btake {_MINE} (?:off\b(?! (?:guard|speaker|mute)\b)|out of (?:this|your|the)\b)",
    rf"\b(?:get|want) (?:me )?(?:off|out)(?: of)? (?:this|your|the|these|ur) (?:\w+ )?(?:list|{_TEXTS})\b|\bget me off\b|\bi want (?:off|out)$",
    r"\b(?:how (?:do|can) i|how to|can i) (?:stop|unsubscribe|cancel)(?: this| it)?$|^(?:please |pls |plz )?no (?:text\w*|messages|msgs|sms)$",
    r"^(?:please )?stop (?:now )?(?:i (?:dont|do not) know|who|this is|you have|or (?:i|else))\b",
    rf"\b(?:opt|opting) (?:me |us )?out\b{_OF_THIS}|\bsign (?:me|us) out\b|\b(?:unsubscribe|unsub) (?:this|from)\b",
    rf"\b(?:stop|quit|cease|halt|end|enough|discontinue|terminate)(?: \w+){{0,2}} {_TEXTS}\b|\bcease and desist\b",
    r"\b(?:end|terminate|cancel|discontinue) (?:my|this|the) (?:service|subscription|membership)\b|\bend subscription\b",
    rf"\bno (?:more|further) (?:\w+ ){{0,2}}{_TEXTS}\b|\bmake (?:it|this|them|(?:the|these|those) \w+) stop$",
    rf"{_DO_NOT} (?:ever )?(?:{_WRITE} or )?{_WRITE} (?:to )?(?:me|us|my|this number|this phone|here|again|any ?more|ever)\b{_NOT_FOR_NOW}",
    rf"{_DO_NOT} (?:ever )?send(?:ing)? (?:me|us|any|more|anything|these|this|such|your|messages|texts|sms)\b",
    rf"\b(?:do not|dont|stop|never) (?:ever )?{_WRITE}$",
    rf"\b(?:do not|dont|no longer) (?:want|wish|care) {_THESE}(?:text|txt|messag|msg|sms|spam|invit|contacted|anything from you|these$)",
    rf"\b(?:withdraw|revok|rescind|retract)\w* (?:\w+ ){{0,2}}{_CONSENT}\b|\b{_CONSENT} (?:is |has been )?(?:revoked|withdrawn|rescinded)\b",
    rf"\b(?:you|u) (?:do not|dont|no longer) have (?:\w+ ){{0,2}}{_CONSENT}\b|\byou have no {_CONSENT}\b",
    rf"\b(?:do not|dont|no longer) (?:give (?:\w+ ){{0,2}}{_CONSENT}|consent)\b",
    r"\b(?:put|add|place) me (?:on|to) (?:your|the|ur) (?:do not|dont|no|dnc|opt out)\b",
    r"\bleave (?:me|us) (?:the \w+ )?(?:alone|be)\b|\blose (?:my|this) number\b|\bstop (?:this|that|it|all|these|now)$",
    r"\bne? ?(?:me |nous |m)?(?:envo\w+|contact\w+|ecri\w+) (?:plus|pas)\b|\benvoyez (?:moi )?plus\b",  # French goes around
)
# Of each, a stem of the second must follow one of the first, with at most two words between them.
PAIRS: Final = (
    ("arrêt|cess", "envo|menvo|de me|contact|écri|mécri|spam|messages|sms|textos|pub"),
    ("ne plus|ne pas|merci de ne", "envo|menvo|contact|écri|mécri|recevoir"),
    ("ne me|ne nous|plus me", "contactez|envoyez|écrivez"),
    ("plus de|plus aucun|stop aux|stop les|stop au", "message|sms|textos|pub"),
    ("supprim|retir|effac|enlev|désabonn|désinscri", "moi|mon num|mon nom|de la liste|de vos"),
    ("veux plus|souhaite plus|désire plus", "recevoir|de|vos|ces|être"),
    ("retir|révoqu", "mon consentement|mon accord|mon autorisation"),
    # German
    ("keine|keinen", "sms|nachrichten|werbung|mitteilungen|einladungen|texte"),
    ("nicht mehr|nicht weiter|nichts mehr|nie wieder|nie mehr", "schreib|kontakt|send|schick|anschreib|texten|erhalt|bekomm"),
    ("schreib|schick|send|kontaktier", "nicht mehr|nichts mehr|nie wieder|nie mehr|nicht wieder"),
    ("lösch|streich|entfern", "mich|meine num|meine daten"),
    ("meine nummer|meine daten|mich", "lösch|entfern|streich|abmeld|austrag"),
    ("meld|trag|nehm|nimm", "mich ab|mich aus|mich von|mich bitte ab|mich bitte aus|mich raus"),
    ("lass|lasst|lassen sie", "in ruhe"),
    ("widerruf|entzieh", "einwillig|zustimm|erlaub"),
    # Spanish
    ("no me|no nos|ya no|nunca", "escriba|envíe|mande|contacte|moleste|texte|mensajes"),
    ("no quiero|no deseo", "recibir|sus|mensajes|sms|textos"),
    ("no más|basta de", "mensajes|sms|textos"),
    ("para con|pare con|paren con", "mensajes|textos"),
    ("deje de|dejen de|deja de|dejes de|pare de|paren de|para de", "enviar|mandar|escribir|molest|contact"),
    ("borr|elimin|quit|saqu|sac", "mi número|mi nombre|mi celular|mis datos|de la lista|de su lista|de esta lista"),
    ("revoco|retiro|ritiro|revocar|retirar", "consentimiento|permiso|autoriz|consenso|mio consenso|consentimento"),  # also Portuguese and Italian
    # Portuguese
    ("não me|não nos", "envie|mande|escreva|contate|contacte|perturbe|incomode"),
    ("não quero|não desejo", "receber|mensag|sms"),
    ("pare de|parem de|para de|chega de|basta de", "enviar|mandar|escrever|contat|mensag|sms|spam"),
    ("me tir|me tira|me tire|me retir|quero sair", "lista|da lista|dessa|desta|daqui|cadastro"),
    ("remov|retir|tire|tira|exclu|apag", "meu número|meu contato|meu telefone|meus dados"),
    # Italian
    ("non mi|non ci|non", "scrivete|scrivere|scriva|inviat|inviare|mandat|mandare|contattat|contattare|disturbat|disturbare"),
    ("non voglio|non desidero", "ricever|messagg|sms|altri"),
    ("smett|niente più|nessun altro|mai più", "messagg|sms|scriv|mand|invi"),
    ("cancell|rimuov|elimin|togli", "mio numero|miei dati|mio nome"),
    # Dutch
    ("niet meer|nooit meer|niets meer", "stur|stuur|contact|bericht|sms|app|appen"),
    ("stuur", "niets|geen|niet"),
    ("stop met|houd op met|hou op met", "sms|smsen|bericht|stur|appen|contact"),
    ("verwijder|haal|wis", "mijn nummer|mijn gegevens|me van|mij van|me uit|mij uit"),
    # Nordic
    ("sluta|slutt|stoppa|stopp|stop med|hold op", "skicka|skriv|sms|meddel|sende|melding|besked"),
    ("inga fler|inga mer|ingen flere|ikke flere|ikke fler|inte fler|aldrig mer|aldri mer", "sms|meddel|melding|besked"),
    ("ikke send|send ikke|ikke skriv|skriv ikke", "meg|mig|flere|fler|sms|til meg|til mig"),
    ("skicka|skriv", "inte|inga"),
    ("ta bort|fjern|slett|slet|radera", "mig|meg|mitt num|mit num|nummeret mitt"),
    ("älä|älkää", "lähet|viesti|häiri"),
    ("ei enää|ei lisää|en halua", "viest|tekstiviest"),
    ("poista", "minut|numero|tietoni"),
    # Polish, Czech, Romanian, Greek
    ("usuń|usuńcie|wypisz|skreśl", "mnie|mój numer|moje dane"),
    ("przesta|żadnych|dość|koniec", "pisa|wysył|sms|smsów|spam|wiadomości"),
    ("smažte|vymažte|odstraňte", "mě|mne|mé|moje|číslo"),
    ("nu mi mai|nu mai", "trimite|scrie|mesaje|contacta"),
    ("șterge", "mă|numărul|datele"),
    ("μη|μην", "στέλν|στείλ|γράφ|ενοχλ"),
    ("σταματ", "να μου|μηνύμα|στέλν"),
    ("διαγράψτε|διαγράψε|αφαιρέστε|σβήστε", "με|τον αριθμ|αριθμ"),
    # Russian, Ukrainian, Turkish
    ("прекрат|перестань|перестаньте|хватит", "слать|присыл|писать|отправл|спам|сообщ|смс"),
    ("больше не", "пиш|присыл|шлите|надо"),
    ("прошу", "не писать|не звонить|не присылать|удалить|убрать"),
    ("не надо|не нужно", "писать|присыл|слать|сообщ|смс"),
    ("удалите|уберите|отпишите|отключите|видаліть|приберіть", "меня|мене|мой|мои|мій|номер"),
    ("припиніть", "писати|надсил|слати|спам"),
    ("mesaj|sms", "durdur|atmayın|göndermeyin|yollamayın|istemiyor"),
    ("bir daha", "yazma|mesaj atma|mesaj gönderme|sms"),
    ("beni|numaram", "listeden|çıkar|sil|silin"),
    # Malay, Filipino, Swahili, Hindi in Latin letters
    ("hapus|padam|buang", "nomor saya|nombor saya|saya"),
    ("berhenti|hentikan", "kirim|hantar|sms|pesan|mesej"),
    ("huwag|wag|wag mo na|itigil|tigilan", "text|itext|i text|mag text|send|message"),
    ("acha|acheni|sitisha", "kunitumia|kutuma|ujumbe|meseji"),
    ("ondoa|futa", "namba yangu|nambari yangu"),
    ("message|msg|sms", "mat|band karo|band kro|nahi bhejo"),
)  # fmt: skip
PHRASES: Final = (
    "me désabonn|me désinscri|foutez moi la paix|fichez moi la paix|laissez moi tranquille|laisse moi tranquille|"
    "hör auf|hört auf|hören sie auf|hören sie damit auf|hören sie bitte auf|"
    "dame de baja|dadme de baja|deme de baja|denme de baja|darme de baja|déjame en paz|déjeme en paz|déjenme en paz|no molestar|no molesten|no enviar más|no mandar más|no envíen|no manden|não envie mais|não mande mais|"
    "bórrame|bórreme|bórrenme|elimíname|elimíneme|elimínenme|sácame|sáqueme|sáquenme|quítame|quíteme|quítenme|"
    "me remov|me exclu|me descadastr|me deixe em paz|me deixa em paz|me deixem em paz|"
    "basta messagg|basta sms|basta con i messagg|basta di scriv|lasciatemi in pace|lasciami in pace|cancellami|cancellatemi|rimuovimi|rimuovetemi|"
    "eliminami|eliminatemi|geen sms|geen berichten|geen reclame|"
    "houd op|hou op|houd ermee op|verwijder mij|laat me met rust|laat mij met rust|schrijf me uit|schrijf mij uit|meld me af|"
    "lämna mig ifred|lämna mig i fred|la meg være i fred|lad mig være i fred|meld meg av|"
    "nie wysyłaj|nie wysyłać|nie pisz do|nie pisz mi|nie piszcie|nie pisać|nie przysyłaj|nie chcę więcej|nie chcę otrzymywać|nie życzę sobie|"
    "dajcie mi spokój|daj mi spokój|wycofuję zgodę|cofam zgodę|neposílejte|už mi nepište|nepište mi|odhlaste mě|"
    "ne írj|ne küldj|hagyjanak békén|hagyj békén|töröljenek|lăsați mă în pace|lasă mă în pace|să mă dezabonez|"
    "не пишите|не присылай|не отправляйте|не шлите|не звоните|не пиши мне|не хочу больше|не хочу получать|оставьте меня|удали меня|"
    "отзываю согласие|отзываю свое согласие|не пишіть|не надсилайте|залиште мене|rahat bırak|"
    "jangan kirim|jangan hantar|jangan sms|jangan hubungi|jangan ganggu|đừng nhắn|đừng gửi|đừng làm phiền|không nhận tin nhắn|ngừng gửi|"
    "không nhắn nữa|xóa số|xoá số|huwag niyo na|huwag na kayong|usinitumie|msinitumie|mat bhejo"
)
# In scripts that do not part their words, or whose words vary at both ends.
PIECES: Final = (
    "不要再发|不要再發|不要再傳|不要再给我|不要给我发|不要給我發|别再发|别再给我|別再傳|请勿再发|請勿再傳|勿再发|别发短信|不要联系我|不要再联系|"
    "请勿打扰|請勿打擾|不要打扰我|不要打擾我|退订|退訂|取消订阅|取消訂閱|停止发送|停止發送|停止短信|停止簡訊|删除我的|刪除我的|"
    "送らないで|送信しないで|送るな|メールしないで|配信停止|配信を停止|配信を止め|送るのをやめ|連絡しないで|削除してください|停止希望|登録解除|登録を解除|"
    "보내지 마|보내지 말|보내지마|그만 보내|그만 좀 보내|그만보내|문자 그만|문자하지 마|연락하지 마|수신거부|수신 거부|번호 삭제|"
    "หยุดส่ง|ยกเลิกข้อความ|เลิกส่ง|ไม่ต้องส่ง|อย่าส่ง|ลบเบอร์|मैसेज मत|मत भेज|संदेश मत|मैसेज बंद|भेजना बंद|لا ترسل|لا تراسل|لا اريد رسائل|"
    "اوقفوا الرسائل|اوقف الرسائل|وقف الرسائل|توقف عن|احذف رقمي|احذفوا رقمي|אל תשלח|תפסיקו לשלוח|תפסיק לשלוח|הסירו אותי|תסירו אותי|"
    "תורידו אותי|הסר אותי|תמחקו אותי|תעזבו אותי"
)

# --- What it is not ------------------------------------------------------------------------------------------------

_STOPS: Final = r"(?:stop\w*|quit|cancel\w*|end|removed?|revoke)"
_ENDS: Final = rf"(?:{_STOPS}|unsubscrib\w+|delete|erase|withdraw|opt (?:me )?out|take (?:me|us|my number) off)"
_FILL: Final = r"(?:ever |just |want to |have to |you |please |going to |gonna |be |get )*"
# Our own words, which machines and reactions repeat; where they are all that is said, somebody may have copied them.
INSTRUCTION: Final = (
    r"\b(?:reply|text|txt|send|sms|type|antworten? sie|repondez|responda|envoyez|envie) (?:with |mit |par )?(?:stop|stopp|alto) "
    r"(?:to|zum|um|pour|para) (?:\w+ ){0,4}(?:opt ?out|unsubscribe|cancel|end|quit|stop|\w*melden|arreter|cancelar)"
    r"|\bstop ?2 ?(?:end|quit|stop|cancel|opt ?out)|\bstop to (?:\w+ ){0,2}(?:opt ?out|unsubscribe|cancel|end|quit|stop)\b"
)
# About other things that stop, or that nobody wants to end.
INNOCENT: Final = (
    INSTRUCTION,
    (
        r"\b(?:bus|train|tram|truck|metro|subway|rest|pit|full|next|last|first|final|one|non|door|short|tube|coach|taxi|dead|"
        r"back|glottal|tour|gas|emergency|f) ?stops?\b|\b(?:my|our) stop(?= (?:is|s|was|next|now|already)\b|$)|\bnonstop\b"
    ),
    rf"(?<!\bwhy )\b(?:do not|dont|never|no need to|without|not to|why (?:would|should) i) {_FILL}{_ENDS}(?: \w+ing)?",
    (
        r"(?<!\byou )(?<!\byou still )(?<!\bu )\b(?:cant|can not|cannot|wont|will not|didnt|did not|couldnt|could not|doesnt|does not|wouldnt|would not|not|nothing can) (?!you )"
        rf"{_FILL}{_STOPS}\b(?! (?:\w+ )?{_TEXTS})"
    ),
    r"\bstop (?:by|over|in|off|at(?! once)|for(?! now| good| ever)|and (?:go|shop)|signs?|lights?|watch|shop|motion|gap|loss|press)\b",
    r"\bstopp(?:ed|ing) (?:by|at|in|over|for)\b",
    r"\bcancel (?:\w+ ){0,2}(?:appointment|dentist|doctor|dinner|lunch|meeting|flight|hotel|trip|order|party|game|class|reservation)\b",
    r"\b(?:sans|en) arret\b|\barret (?:de|du) (?:bus|tram|metro)\b",
    r"\b(?:habe?|hast|hat) (?:\w+ )?keinen? \w+",
    r"\byou have been unsubscribed\b.*",
    r"\bno (?:quiero |me |nos )?(?:cancelar|cancelen|dar(?:me)? de baja|borr\w+|elimin\w+)|\bnao (?:quero |me )?(?:sair|cancel\w+|remov\w+)",
    r"\bne (?:me |nous )?(?:desabonn|desinscri|supprim|retir)\w+|\bnicht (?:abmeld|losch|entfern|kundig)\w+|\bне (?:удал|отпис|отпиш)\w+",
)

# --- That it does not stop -----------------------------------------------------------------------------------------

_NOT: Final = (
    r"(?:(?:do|does|did|will|would|can|could|have|has|had|are|is) not|dont|doesnt|didnt|wont|wouldnt|cant|cannot|couldnt|havent|"
    r"hasnt|hadnt|arent|isnt|aint|never|not|refuse[ds]? to|fail(?:ed|s)? to)"
)
_OFTEN: Final = r"(?:(?:just|ever|even|still|never|simply|really|yet|been|going to|gonna|fucking|freaking|damn) ){0,2}"
_THEIRS: Final = (
    r"(?:(?:you|u|ya|yall)(?: (?:guys|people|all|lot))?|this|it|these|those|they|its|theyre|youre|texts|messages|spam|"
    rf"(?:this|that|the|these|those|your|ur|such) (?:\w+ )?(?:{_TEXTS}|harass\w+|nonsense|shit|crap))"
)
# "it won't stop raining", "that won't stop me" and "you didn't stop by" are no complaints about texts.
_NOTHING_ELSE: Final = (
    rf"(?! (?:me|us|him|her|them|you|well|a|an|the|my|our|there|here|to|by|over|in|off|on|at(?! once| all)|for(?! now| good| ever)|(?!{_TEXTS})"
    r"(?!bother|harass|bug|annoy|ask|call|writ)\w+ing)\b)"
)
# To stop doing something else, in Spanish, Portuguese, French and German.
_ES: Final = r" de (?!mand|envi|escrib|molest|llam|text|acos|contact|baja|la lista|su lista)"
_PT: Final = r" de (?!(?:me |nos )?(?:mand|envi|escrev|incomod|perturb|lig))"
_FR: Final = r" de (?!(?:me |nous )?(?:m?envo|m?ecri|spam|contact|harcel|derang|m?appel))"
_DE: Final = r" zu (?!schreib|send|schick|nerv|text|belast)"
# That it goes on, or shall not: a complaint, with a threat an order. Read as it is said, for these are not innocent.
IN_VAIN: Final = (
    rf"\b{_THEIRS} {_OFTEN}{_NOT} {_OFTEN}(?:stop(?:s|ped|ping)?|quit|cease[ds]?|end(?:s|ed|ing)?)\b{_NOTHING_ELSE}",
    rf"\b(?:do not|dont|does not|doesnt|do|does|will|would|can) {_THEIRS} (?:not |never |ever |just ){{1,2}}stop\b{_NOTHING_ELSE}",
    rf"\b(?:unless|until) (?:you|u|yall|this|it|they|these) (?:\w+ )?stops?\b{_NOTHING_ELSE}",
    rf"\b(?:you|u|yall|they)(?: \w+){{1,4}} and (?:you |u |they )?{_OFTEN}{_NOT} {_OFTEN}stop(?:ped|ping)?\b{_NOTHING_ELSE}",
    rf"\b(?:you|u|yall|they) {_OFTEN}{_NOT} {_OFTEN}(?:remov|unsubscrib|delet|tak|opt|cancel)\w* (?:me|us|my (?:number|phone|subscription))\b",
    r"\bbetter stop\b(?: \w+){0,3} or (?:i|ill|im|we|well)\b",
    rf"\bif (?:you|u|yall) {_NOT} (?:cancel|unsubscribe)\b(?! (?:the|my|your) (?!{_TEXTS}|subscription))",
    r"\b(?:i|im|i am|i was|i have|ive) (?:still |am |was )?not (?:yet |been )?(?:removed|unsubscribed|taken off|opted out)\b",
    # Spanish: "no pares" and "no paren" ask for more
    rf"\b(?:no|nunca) (?:(?:se|han|has|ha) )?(?:paran|paras|pararon|paraste|parado|dejan|dejas|dejaron|dejaste|dejado|cesan|detienen)\b(?! (?:aqui|alli|ahi|en|que|a)\b|{_ES})",
    r"\b(?:esto|eso|mensajes?|sms|textos?) (?:no|nunca) (?:para|cesa|termina|se detiene)\b(?! de\b)",
    rf"\bsi no (?:(?:me|nos|lo|se|los) )?(?:para|pare|deja|deje|detiene|cancelan?|cancelas|borran?|borras|eliminan?|eliminas|sacan?|sacas|quitan?|quitas|dan? de baja|das de baja)\b(?!{_ES})",
    # Portuguese: "não pare" and "não para" ask for more
    rf"\b(?:voces?|vcs?|isso|isto|mensage(?:m|ns)|sms) (?:nao|nunca) (?:para|param|parou|pararam)\b(?! (?:aqui|em|no|na)\b|{_PT})",
    r"\b(?:nao|nunca) (?:param|pararam) de (?:me |nos )?(?:mand|envi|escrev|incomod|perturb|lig)\w*",
    rf"\bse (?:(?:voces?|vcs?|isso|isto) )?nao (?:me |nos )?(?:parar(?:em)?|cancelar(?:em)?|remover(?:em)?|tirar(?:em)?|excluir(?:em)?|apagar(?:em)?)\b(?!{_PT})",
    # French: "n'arrêtez pas" asks for more
    rf"\b(?:vous|tu|ca|cela|messages|sms|textos) (?:ne )?(?:vous |te )?(?:n|s)?(?:arret|cess)\w* (?:toujours |donc )?(?:pas|jamais|plus)\b(?! (?:a|au|la)\b|{_FR})",
    rf"\b(?:vous navez|tu nas|ca na|ca ne sest) (?:toujours )?(?:pas|jamais) (?:arrete|cesse)\b(?!{_FR})",
    r"\bsi (?:vous|tu) (?:ne )?(?:me |nous )?(?:desinscri|desabonn|supprim|retir|enlev|effac)\w* pas\b",
    # German: "hört nicht auf" and "nicht aufhören" ask for more
    rf"\b(?:(?:das|es|dies\w*|sms|nachrichten|texte|du|ihr|sie) (?:\w+ )?hor\w+|hor\w+ (?:sie|ihr|du|das|es)) (?:\w+ ){{0,2}}(?:nicht|nie|niemals) auf\b(?!{_DE})",
    rf"\b(?:wenn|falls|solange) (?:sie|du|ihr|das|es|dies\w*) (?:\w+ ){{0,2}}nicht (?:\w+ )?aufhor\w+\b(?!{_DE})",
    rf"\b(?:sie haben|du hast|ihr habt|es hat|das hat) (?:\w+ )?(?:nicht|nie) aufgehort\b(?!{_DE})",
    r"\b(?:wenn|falls) (?:sie|du|ihr) (?:mich |meine \w+ )?nicht (?:losch|abmeld|entfern|streich|austrag)\w*",
    # Italian: "non smettere" and "non fermarti" ask for more
    r"\bnon (?:(?:la|mi|avete|hai|hanno) )?(?:smett(?:ete|i|ono|erete)|smesso)\b(?! (?:mai )?di (?!scriv|mand|invi|contatt|disturb|chiam))",
    r"\b(?:messagg\w+|sms|questo|cio) non (?:si ferma(?:no)?|finisc\w+|cessa\w*)\b",
    r"\bse non (?:mi |ci |vi |ti )(?:cancell|rimuov|elimin|togli|ferm)\w+",
)
THREATS: Final = (
    r"\b(?:polic\w+|cops?|sue|suing|lawsuit|lawyers?|attorneys?|legal action|court|fcc|ftc|press charges|prosecut\w+|arrested|authorities|"
    r"(?:report|block)(?:ing)?(?: (?:you|u|this|it|them)|$)|denunci\w+|abogad\w+|demand(?:o|ar\w*)|processar|process[oa]|advogad\w+|"
    r"plainte|[ld]?avocat\w*|cnil|polizei|anzeige\w*|zeige|anwalt\w*|rechtsanwalt\w*|polizia|carabinieri|l?avvocat\w+|querel\w+)\b"
)

# --- What it may be ------------------------------------------------------------------------------------------------

# Left over in a reply, an order makes it doubtful, and so do these; but not what is said every day.
ALSO_SIGNS: Final = "unsubscribed|unsubscribing|stopping|opted out|stops|desabonnez"
NO_SIGNS: Final = (
    "alto|pare|parar|basta|sair|ferma|די|dar de baja|batal|停止|取消|解除|거부|그만|remove|quit|sluta|slutt|stoppa|stoppt|poista|बंद|"
    "terminate|cesse|detente|отстань|хватит|peruuta|avsluta"
)
PERHAPS: Final = (
    (
        r"\bremove\b(?! (?:the|it|that|a|your|his|her)\b)|\bharass|\bdo not call list\b|\b(?:do not|dont|never) (?:ever )?"
        rf"{_WRITE} me\b|\bkeep (?:texting|messaging|sending|spamming|calling)\b|\bno (?:texts|texting|messages|sms|msgs|spam)\b"
    ),
    r"\b(?:fuck|piss|f|buzz|bugger) off\b|\bget off my (?:phone|back)\b|\b(?:fuck|screw) (?:you|u)\b|\breport(?:ing|ed)? you\b|\bblock(?:ing|ed)? (?:you|u|this)\b",
    r"\b(?:how|where) did (?:you|u) (?:get|find) (?:my|this) (?:number|contact|info)\b|\bwithout my (?:consent|permission)\b",
    r"\b(?:i|we) (?:never|did not|didnt) (?:sign|ask(?:ed)? (?:for|to)|opt|consent|agreed? to|give|gave)|\bi (?:do not|dont) want (?:this|it|that)$",
)
# Anywhere in a reply.
UNWILLING: Final = (
    "not interested|no interest|wrong number|wrong person|wrong guy|this is spam|this is a spam|its spam|its a scam|this is scam|"
    "this is a scam|go away|get lost|shut up|lawyer|attorney|sue you|who gave you my|pas intéressé|mauvais numéro|trompez de numéro|"
    "kein interesse|falsche nummer|falsch verbunden|no me interesa|no estoy interesad|número equivocado|não tenho interesse|número errado|"
    "non mi interessa|numero sbagliato|geen interesse|verkeerd nummer|inte intresserad|fel nummer|ikke interesser|feil nummer|"
    "forkert nummer|ei kiinnosta|väärä numero|nie jestem zainteresowan|nie interesuje mnie|pomyłka|nemám zájem|nem érdekel|rossz szám|"
    "nu mă interesează|număr greșit|δεν ενδιαφέρομαι|λάθος αριθμός|не интересует|не интересно|ошиблись номером|не цікавить|"
    "ilgilenmiyorum|yanlış numara|غير مهتم|رقم خطأ|الرقم خطأ|לא מעוניין|לא מעוניינת|טעות במספר|tidak tertarik|salah nomor|salah nombor|"
    "không quan tâm|nhầm số|hindi interesado|गलत नंबर|रुचि नहीं|nahi chahiye"
)
UNWILLING_PIECES: Final = "不感兴趣|不感興趣|没兴趣|沒興趣|打错了|打錯了|发错了|興味ない|興味ありません|間違い|관심 없|관심없|잘못 보내|ไม่สนใจ|ผิดเบอร์"
MAYBE: Final = (  # where they are all that is said
    "spam|scam|scammer|no more|enough|atop|stip|stob|stopo|stoo|stil|syop|atpo|shtop|stope|stahp|stap|stoop|stopped|knock it off|i said no|please no more|stop 1|stop1|stop2|i quit|no contact|"
    "reported|blocked|dont|please dont|do not disturb|leave me|acha|dur|rejected|no quiero|"
    "ya no quiero|nie chcę|не надо|не хочу|отвали|отвалите|non voglio|não quero|não quero mais|ich will das nicht|je ne veux pas|"
    "je ne veux plus|tama na|sitaki|停|不要|别烦我|別煩我|删除|刪除|もういい|もう要りません|いりません|もういらない|削除|그만해|그만하세요|싫어요|삭제|차단|เลิก|ไม่เอา|"
    "रुको|नहीं चाहिए|كفى|מספיק|די כבר"
)
