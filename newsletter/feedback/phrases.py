"""The words that notices use, in the languages that they come in. Data alone; `dsn`, `read` and `verdict` ask."""

import re


def _any(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


BOUNCED = _any(
    r"failed mail|mail failed", r"(?:mail|message) has been returned", r"processing error", r"did not (?:exactly )?(?:match|reach)", r"no valid recipients",
    r"undeliver", r"not (?:be |been )?delivered", r"non[- ]?deliver", r"un(?:able|successful) to deliver", r"deliver(?:y|ies)? (?:has |have |was |were )?"
    r"(?:failed|failure|error|problem|report|status|unsuccessful|notification|attempt)", r"failed (?:permanently|to deliver|recipient|delivery)",
    r"returned (?:mail|to sender)", r"return(?:ed)? (?:the|your) (?:message|mail)", r"mail(?:er)?[- ]?(?:system )?(?:error|failure|status)", r"failure (?:notice|delivery)",
    r"could(?: not|n't) (?:be )?(?:deliver|send|sent|reach)", r"cannot (?:be )?deliver", r"wasn't able to deliver", r"(?:permanent|fatal|transient) (?:fatal )?errors?",
    r"user (?:is )?(?:unknown|doesn't|does not|not (?:found|listed|known))", r"unknown (?:user|recipient|address|local)", r"no such (?:user|recipient|mailbox|address|person)",
    r"message (?:undeliverable|bounced|was rejected|blocked|delayed|not sent)", r"bounced (?:mail|message)", r"mail (?:could not|couldn't|bounced)", r"not listed in",
    r"rejected (?:your|the) message", r"address(?:es)? (?:couldn't|could not) be", r"mailbox (?:is )?(?:full|unavailable|not found|exceed)", r"over ?quota", r"(?:problem|error) delivering",
    r"unzustellbar", r"nicht zugestellt", r"zustellung.{0,30}(?:fehlgeschlagen|nicht möglich)", r"unbekannter empfänger", r"konnte nicht (?:zu|aus)",
    r"non (?:remis|livré|distribué)", r"échec de (?:la )?(?:remise|distribution|livraison)", r"n'a pas pu être", r"n'ont pas pu", r"destinataire inconnu",
    r"no (?:se )?(?:ha )?(?:podido|pudo|pudieron).{0,20}entreg", r"no entregado", r"devuelto", r"correo.{0,20}rechazad", r"destinatario.{0,20}no",
    r"impossibile (?:recapitare|consegnare)", r"mancat[ao] (?:recapito|consegna)", r"non (?:è stato )?(?:recapitat|consegnat)", r"não (?:foi |pôde ser )?(?:possível )?entreg", r"falha na entrega",
    r"niet (?:worden )?(?:bezorgd|afgeleverd)", r"onbestelbaar", r"kunde inte levereras", r"kunne ikke leveres", r"nie (?:można|może).{0,20}dostarcz", r"niedostarcz",
    r"не (?:может быть |было? |удалось )?достав", r"недоставлен", r"доставк.{0,20}не", r"配信(?:できません|不能|エラー|に失敗)", r"送信(?:できません|エラー)", r"届けることができ", r"エラーメール",
    r"无法投递", r"退信", r"未能(?:送达|投递)", r"投递失败", r"배달(?:되지|하지|할 수)", r"전송.{0,5}실패",
)  # fmt: skip
"""What a bounce says of itself, in subject or text."""

DELAYED = _any(
    r"\bdelay", r"will (?:be retried|continue to|keep)", r"still (?:trying|being)", r"warning message", r"do(?:es)? not need to (?:re-?send|resend)", r"not yet been delivered",
    r"verzögert|retardé|retrasad|ritardat",
)  # fmt: skip
GAVE_UP = _any(
    r"giv(?:e|en|ing) up", r"permanent", r"could not be delivered", r"undeliver", r"failed|failure", r"returned"
)

AWAY = _any(
    r"out of (?:the )?office", r"auto(?:matic)?[- ]?(?:re(?:ply|sponse)|respon|antwort|répon)", r"vacation", r"on (?:holiday|leave)", r"\baway\b", r"abwesen", r"urlaub", r"réponse automatique",
    r"absent|absence", r"respuesta automática", r"fuera de (?:la )?oficina", r"risposta automatica", r"fuori (?:ufficio|sede)", r"resposta automática", r"automatisch(?:e)? antwo", r"afwezig",
    r"自動返信|自动回复|자동 ?응답", r"автоответ", r"autosvar", r"no longer (?:with|works|at) ",
)  # fmt: skip

AUTOMATIC = _any(
    r"(?:please )?confirm (?:your|that)", r"challenge", r"verify your", r"your ticket|case #|ticket #|\[#\d", r"request received", r"thank you for (?:contacting|your)", r"newsletter",
    r"(?:un)?subscri(?:be|ption)",
)  # fmt: skip
"""Subjects of machines that answer, which are no bounces."""

LEAVE = re.compile(
    r"^\W*(?:please |bitte |por favor |merci de |s'il vous plaît )?(?:unsubscribe|un-subscribe|remove(?: me\b.{0,30}|(?=\W*$))|stop(?=\W*$|[ \t]+(?:send|(?:e-?)?mail|(?:th(?:e|is|ese)|your|all|any)\b.{0,20}(?:mail|newsletter|letter|message)|newsletter|sub|please|bitte))|opt[- ]?out|take me off.{0,30}|"
    r"abmelden|abbestellen|austragen|désabonner|désinscri\w+|me désabonner|darme de baja|baja|cancelar suscripción|disiscri\w+|cancellami|"
    r"cancelar|descadastrar|uitschrijven|afmelden|avregistrera|afmeld|wypisz|отписаться|退会|解除|退订)\b.{0,60}$",
    re.IGNORECASE | re.MULTILINE,
)
"""A line by which somebody asks to leave."""

REASONS: tuple[tuple[str, bool, re.Pattern[str]], ...] = (
    ("group", False, _any(r"may not exist, or you may not have permission", r"可能不存在，或者您沒有", r"可能不存在，或者您没有")),  # Google's, which will not say which
    ("resolving", False, _any(r"host not found, try again", r"malformed or unexpected name server", r"name ?server.{0,20}(?:time|fail)", r"dns (?:time|server fail)|servfail")),
    ("sender", False, _any(r"after mail from\b", r"in reply to mail from", r"from: domain|valid from:", r"invalid ip for sending", r"domain of sender", r"sender address .{0,60}does not exist")),
    (
        "unknown address",
        True,
        _any(
            r"(?:user|recipient|mailbox|account|address|addressee)[\s\w\"'<>().-]{0,30}? (?:is )?(?:unknown|not (?:found|listed|known)|does ?n[o']t exist|doesn'?t exist|does not exist|couldn't be found|invalid)",
            r"(?:unknown|no such|invalid|non-?existent|unrouteable) (?:user|recipient|mailbox|account|address|local ?part|customer|alias)",
            r"not listed in (?:public|domino|the)",
            r"recipient address rejected: (?:access denied|undeliverable|unverified)",
            r"^\W*(?:\d{3}[ -])?(?:[245]\.\d+\.\d+ )?<address>:? recipient address rejected\W*(?:\(in reply|$)",
            r"(?:there is |sorry, )?no (?:mailbox|such person|such user)[\w ]{0,12}(?:here|by that name)",
            r"that you tried to reach does not exist",
            r"invalid final delivery userid",
            r"account or domain may not exist",
            r"listの?にありません|リストにありません|見つかりません",
            r"adr\.(?:ex)?recip|recipnotfound",
        ),
    ),
    # what is about us, before all else
    ("authentication", False, _any(
        r"\bspf\b", r"\bdkim\b", r"\bdmarc\b", r"sender policy", r"unauthenticated", r"authentication[- ](?:fail|required|checks|results|information)", r"does not pass authentication",
        r"domain.{0,40}not.{0,20}authenticat", r"sender id (?:framework|\(pra\))", r"domainkeys",
    )),
    ("reverse dns", False, _any(
        r"reverse (?:dns|lookup|mapping|hostname)", r"\bptr\b", r"\brdns\b", r"no (?:valid )?reverse", r"cannot (?:find|resolve) your (?:hostname|reverse)", r"forward-confirmed", r"invalid (?:rdns|ptr)",
        r"cannot find your (?:hostname|ip)", r"client host rejected: cannot find", r"fix reverse", r"generic (?:rdns|ptr|hostname)", r"dynamic (?:ip|pool|generic)", r"\bFCrDNS\b",
        r"sender ip reverse lookup", r"ip name lookup failed", r"unresolvable|does not resolve to (?:a|an) (?:valid )?(?:host|name)",
    )),
    ("moved", True, _any(
        r"has moved", r"user(?:'s)? (?:has )?moved", r"no longer (?:at|in use|on) ", r"(?:address|mailbox|account|recipient).{0,20}(?:has )?(?:been )?(?:changed|replaced)", r"has (?:changed|been replaced)",
        r"is no longer (?:available|reading|used|with)", r"please (?:try|forward|use) <?\S+@", r"new address", r"moved, try",
    )),
    ("mailbox full", False, _any(
        r"mailbox.{0,30}(?:is |was |size )?(?:too )?(?:full|exceeded|over|limit)", r"(?:over|exceed\w*|exceeds|exceeded|out of|insufficient|not enough|no).{0,25}(?:quota|storage|disk|space)", r"quota (?:is |has been |was )?"
        r"(?:exceed|full|violation|reached|used)", r"overquota|over-quota|quota exceed", r"(?:mailbox|inbox|folder|account|maildir|spool|user|disk).{0,20}\bfull\b|\bfull mailbox\b|overdrawn", r"too many messages (?:in|on)|maximum (?:number of )?messages",
        r"mailfolder is full", r"disk quota", r"user has (?:too|exhausted)", r"storage (?:quota|limit|allocation)", r"exceeded (?:his|her|its|the|their).{0,20}(?:limit|quota|storage|space)",
        r"postfach.{0,40}voll", r"speicher(?:platz|kontingent)", r"boîte.{0,40}pleine", r"quota.{0,10}dépass", r"buz[óo]n.{0,40}lleno", r"casella.{0,40}piena", r"caixa.{0,40}cheia", r"postvak.{0,40}vol",
        r"переполнен", r"メールボックス.{0,10}(?:一杯|いっぱい|満)", r"容量.{0,10}(?:超|満)", r"邮箱.{0,6}(?:已满|空间)", r"space.{0,15}(?:exceeded|shortage)", r"has exceeded",
    )),
    ("too large", False, _any(
        r"(?:message|mail|size|body|header|attachment).{0,30}(?:too (?:large|big|long)|exceeds?.{0,20}(?:size|limit|maximum|fixed))", r"size (?:limit|exceeds)", r"exceed(?:s|ed)? (?:the )?(?:maximum|fixed|allowed|allowable|global)?.{0,20}"
        r"(?:message|mail|file) ?size", r"larger than", r"max(?:imum)? message size", r"line (?:is )?too long", r"too large", r"message length exceeds",
    )),
    ("spam", False, _any(
        r"\bspam(?!haus|cop)", r"junk mail", r"unsolicited", r"\bUBE\b|\bUCE\b", r"bulk (?:e?mail|messages)", r"looks like", r"classified as", r"bayes", r"content (?:rejected|filter|denied|blocked|violat)", r"suspicious",
        r"virus|malware|infected|trojan|phish", r"prohibited (?:content|attachment|file)", r"message (?:content|contained|contains)", r"blacklisted url|url.{0,20}(?:listed|blocked)", r"executable|file type|illegal attachment|attachment.{0,20}(?:block|not allow|reject|remov)",
    )),
    ("unknown domain", True, _any(
        r"host (?:or domain name )?not found", r"(?:unknown|no such|unrouteable|unroutable|nonexistent|invalid) (?:mail )?(?:domain|host)", r"domain (?:name )?(?:does not|doesn't|not) (?:exist|found|valid)", r"name or (?:domain|service).{0,20}not found",
        r"no (?:mx|mail server|mail exchanger|such domain|dns)", r"null ?mx|does not accept (?:any )?(?:mail|e-?mail)|accepts? no (?:e?mail|incoming)", r"nx ?domain|name service error.{0,60}host not found", r"domain.{0,40}(?:couldn't|could not) be found",
        r"bad (?:destination )?(?:system|host|domain)", r"unknown mail host", r"host unknown", r"couldn't find any host named", r"all relevant mx records point", r"unrouteable mail domain", r"illegal host/domain",
        r"recipient domain (?:has|not)", r"recipient'?s? domain.{0,30}(?:not|does)", r"not an internet address", r"smtp .{0,20}host lookup did not yield|dns lookup failure|unknown domain", r"has (?:a )?null MX", r"indicated no smtp service", r"domain is not reachable",
    )),
    ("disabled", False, _any(
        r"(?:account|mailbox|user|(?<!ip )address|recipient|email|e-mail).{0,30}(?:disabled|suspended|inactive|locked|deactivated|expired|frozen|blocked|not active|on hold|terminated)", r"(?:disabled|inactive|suspended|expired|frozen|deactivated|terminated).{0,15}"
        r"(?:account|mailbox|user|recipient|address|email)", r"mailbox (?:is )?(?:currently )?(?:unavailable|not available|disabled)\W{0,3}(?:inactive|suspend|disabled)", r"invalid/inactive", r"temporarily (?:disabled|suspended)", r"account has been",
        r"has been (?:suspended|disabled|deactivated)", r"user is inactive", r"not logged in|dormant|vacation disabled", r"delivery to this user is (?:restricted|suspended)", r"boîte.{0,10}(?:désactivé|suspend)", r"deaktiviert|gesperrt",
    )),
    ("blocked", False, _any(
        r"block(?:ed|list|ing)", r"black ?list", r"deny ?list", r"\brbl\b|\bdnsbl\b|spamhaus|spamcop|barracuda|sorbs|cloudmark|proofpoint|senderscore|invaluement|abuseat|surbl|uribl", r"(?:poor|bad|low).{0,15}reputation",
        r"reputation", r"banned", r"listed (?:at|in|on|by)", r"(?:ip|host|ip address|server|client|sender).{0,30}(?:rejected|refused|denied|not (?:allowed|permitted|authorized))", r"access (?:denied|restricted)", r"your (?:ip|server|host)",
        r"connection (?:refused|rejected|denied) (?:by|due to|for) (?:policy|abuse|security)", r"too many (?:spam|complaints)", r"bogus (?:helo|mx)", r"helo.{0,30}(?:invalid|reject|refused|not)", r"no relay|not allowed to (?:send|relay)|not permitted to (?:send|relay)",
        r"we do not accept (?:mail|connections) from", r"\[(?:TSS|PH|BL|CON|S3|AG|RLY|HVU)\w*\d*\]", r"complain", r"abus(?:e|ive)",
    )),
    ("rate", False, _any(
        r"too many (?:connections|messages|recipients|emails|mails|concurrent|sessions|errors|hops)", r"(?:rate|sending|receiving|hourly|daily|message|connection|volume).{0,20}limit", r"throttl", r"(?:try|retry|come back) (?:again )?later", r"greylist|graylist|grey-list",
        r"slow(?:ed)? down|speeding|too fast", r"deferred", r"rate[- ]?limit", r"exceeded.{0,30}(?:connections|messages|rate|number of)", r"too busy|system load|resources temporarily|server (?:is )?(?:busy|overload)",
    )),
    ("relaying", False, _any(r"relay(?:ing)? (?:is |was )?(?:denied|not (?:permitted|allowed)|access|prohibited|refused)", r"unable to relay|not relay|no relaying|relaying", r"cannot relay|relay access|authenticate before|authentication is required|auth(?:entication)? required|must (?:issue|authenticate)", r"mail from .{0,40}(?:not allowed|denied)")),
    ("sender", False, _any(r"sender (?:address )?(?:rejected|verify|denied|not|unknown|is not|refused|blocked|was)", r"(?:bad|invalid|unknown|forged|unresolvable) (?:sender|from|return|envelope)", r"sender'?s? domain", r"(?:mail|envelope) from", r"from (?:address|domain|field|header)", r"domain of sender", r"after mail from", r"you(?:r)? (?:address|domain|email|account|are)", r"not a valid sender", r"verify (?:sender|address)", r"does not allow|no permission|not permitted|don't have permission|restricted")),
    ("unknown address", True, _any(
        r"(?:user|recipient|address|mailbox|account|customer|person|email|e-mail|destinataire|adresse|boîte|destinatario|empfänger|postfach|benutzer|konto|utilisateur|usu[aá]rio|cuenta|casella|utente|adres|id|name|rcpt|alias|inbox).{0,40}?"
        r"(?:\bunknown|not (?:found|exist|known|valid|listed|recogni|available|on|in|a |here|handled|hosted|defined|registered|local)|n[o']t exist|doesn'?t (?:exist|have)|does not|non-?exist|invalid|no longer (?:exists|valid|available)|"
        r"inconnu|inexistant|n'existe|no existe|desconocid|sconosciut|non esiste|inesistente|unbekannt|existiert nicht|não existe|desconhecid|onbekend|bestaat niet|couldn't be found|could not be found|was not found|"
        r"wasn't found|unavailable|undefined|unrouteable|ambiguous|deleted|removed|discontinued|cannot be (?:found|verified)|lookup failed|verification failed)",
        r"(?:unknown|no such|invalid|illegal|non-?existent|bad|undeliverable|unrecogni[sz]ed|unroutable|unrouteable|incorrect|nonexistent|not a valid|inexistent|wrong|misspelled|undefined|undisclosed|not our|no) "
        r"(?:local |virtual |destination |mailbox |email |e-mail |mail |email |target |recipient |or illegal |smtp )*(?:user|recipient|address|mailbox|account|customer|alias|name|person|rcpt|employee|member|subscriber|local part|local-part|part|id)",
        r"no (?:mailbox|account|user|recipient|one|person|such).{0,20}(?:here|by that name|exists|with that|of that|found|named|in)", r"(?:sorry, )?no mailbox here", r"this user doesn't have", r"can't find (?:that|the|this) (?:user|account|recipient|mailbox)",
        r"(?:does not|doesn't|did not|didn't|don't) (?:exist|match|have an? .{0,12}(?:account|mailbox))", r"not (?:a )?(?:known|valid|our|local)? ?(?:user|customer|recipient|mailbox|address)", r"address (?:is )?(?:rejected|unknown)", r"unknown to (?:us|this|the)",
        r"unable to find (?:user|recipient|mailbox)", r"has no(?: such)? mailbox", r"destination (?:address )?(?:unknown|not)", r"recipnotfound|resolver\.adr|adr\.(?:ex)?recip", r"mailbox unavailable", r"user unknown", r"userunknown|no_such_user|unknown_user", r"deleted (?:or|user|account)",
        r"(?:アドレス|ユーザー?|宛先|受信者).{0,20}(?:存在|見つか|不明|ありません|間違)", r"用户不存在|收件人.{0,10}(?:不存在|有误)|用户.{0,4}(?:未找到|不存在)|不存在", r"(?:пользовател|получател|ящик|адрес).{0,30}(?:не (?:найден|существует)|неизвест)", r"존재하지", r"nie istnieje|nieznany", r"okänd|ukendt|tuntematon|ismeretlen|neznám",
    )),
    ("expired", False, _any(
        r"(?:in|on) (?:the )?(?:mail )?queue (?:too|for)", r"(?:could not|couldn't|unable to|can't|cannot|failed to) (?:be )?(?:connect|deliver(?:ed)? (?:after|within|for|in)|contact|reach)", r"time(?:d)?[- ]?out", r"(?:has|have|was|were|been) (?:tried|trying|retr|expired|delayed)", r"connection (?:timed|refused|reset|dropped|closed|lost)", r"retry (?:time|timeout|limit)", r"expired|exceeded.{0,30}(?:time|period|retry|retries|attempts)",
        r"delivery time expired|too long|giving up|no route to host|network is unreachable|not responding|did not respond|lost connection", r"conversation with .{0,60}timed out", r"loop|too many hops|hop count", r"mail server.{0,40}(?:not|unreachable)",
    )),
    ("policy", False, _any(r"polic(?:y|ies)", r"prohibit", r"not (?:accepted|allowed|permitted|authori[sz]ed)", r"refused", r"reject", r"denied|deny", r"security", r"violat", r"unacceptable", r"administrative", r"transaction failed|rule")),
)  # fmt: skip
"""Reasons in the order in which they are looked for: name, whether the address itself is at fault, the words."""
