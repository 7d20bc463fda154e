"""Negations and catch-alls in Spanish, French, German, Italian, Portuguese, Dutch, Polish, Japanese and Chinese.

catch_all.py and negation.py hold the English ones and say what the tables mean. Catch-alls are compared without accents and in
lower case. Negations are compared as the label has them, so both spellings of an accented letter stand in the pattern.
"""

from __future__ import annotations

import re
from typing import Literal

# Each language: patterns of whole labels that mean none of the other labels.
CATCH_ALLS: dict[str, tuple[str, ...]] = {
    "es": (
        r"(?:(?:lo|los|las|el|todo lo|un|una|algun|alguna) )?(?:otr[oa]s?|demas|resto)"
        r"(?: (?:tema|categoria|cosa|tipo|asunto|opcion|opcione|clase|motivo|razon|caso)s?)?",
        r"ningun[oa]?(?: (?:de|los|las|est[oa]s|es[oa]s|ell[oa]s|anteriores|demas|categorias?|opcion|opciones|tema)){0,4}",
        r"nada(?: de (?:esto|eso|lo anterior))?|desconocid[oa]s?|indeterminad[oa]s?|indefinid[oa]s?|variad[oa]s|miscelanea",
        r"no (?:lo )?se|no aplica(?:ble)?|no clasificad[oa]|no esta claro|no estoy segur[oa]|no se sabe",
        r"sin (?:clasificar|categoria|especificar|determinar)|(?:por|para) revisar|requiere revision|fuera de tema",
    ),
    "fr": (
        r"(?:(?:une?|les|toute|tous les|quelque|quelque chose d') ?)?autres?"
        r"(?: (?:sujet|categorie|chose|theme|type|classe|motif|raison|cas|question|demande)s?)?",
        r"aucune?(?: (?:de|des|d'entre|ces|ceux|celles|eux|elles|ci|dessus|autres|categories?|options?|sujets?)){0,5}",
        r"rien(?: de tout cela| de cela)?|inconnue?s?|indeterminee?s?|incertaine?|le reste|hors[ -]sujet|(?:je )?ne sais pas",
        r"non (?:classee?s?|applicable|specifiee?s?|determinee?s?|pertinente?s?|renseignee?s?)|sans (?:objet|categorie)",
        r"pas (?:sure?|clair)|a (?:verifier|revoir|determiner)",
    ),
    "de": (
        r"(?:(?:etwas|alles|eine?|einen|das|die|der) )?(?:ander|sonstig|ubrig)e[srnm]?"
        r"(?: (?:thema|themen|kategorien?|sache|art|klassen?|grund|grunde|anliegen|anfragen?))?",
        r"keine?[srnm]?(?: (?:davon|(?:der|von|aus) (?:den )?(?:diesen|dieser|genannten|obigen|anderen|kategorien|optionen)"
        r"|kategorie|angaben?|zuordnung|ubereinstimmung))?",
        r"nichts(?: davon| von (?:dem|diesen))?|unbekannt(?:e[srn]?)?|unklar|unsicher|verschiedenes|diverses|der rest",
        r"nicht (?:zutreffend|zuordenbar|zugeordnet|klassifiziert|bekannt|sicher|eindeutig|relevant|definiert)",
        r"(?:ich )?weiss (?:ich )?nicht|zu prufen|bitte prufen|muss gepruft werden|themenfremd|sonst(?: etwas|iges)?",
    ),
    "it": (
        r"(?:(?:gli|le|un|tutto il|il) |un'|qualcos'|tutt')?(?:altr[oaie]|resto)"
        r"(?: (?:argoment[oi]|categori[ae]|tem[ai]|cos[ae]|tip[oi]|class[ei]|motiv[oi]))?",
        r"nessun[oa]?(?: (?:di|dei|delle|quest[ie]|precedenti|categoria|opzione|corrispondenza|sopra|loro|essi)){0,4}",
        r"niente(?: di (?:questo|tutto cio))?|sconosciut[oaie]|vari[eo]?|incert[oa]|indeterminat[oa]|fuori tema",
        r"non (?:(?:lo )?so|applicabile|classificat[oa]|specificat[oa]|pertinente|chiaro|sono sicur[oa])",
        r"da (?:verificare|rivedere)",
    ),
    "pt": (
        r"(?:(?:os?|as?|uma?|todo o) )?(?:outr[oa]s?|restante|demais)"
        r"(?: (?:assunto|tema|categoria|coisa|tipo|classe|motivo|opcao|opcoe)s?)?|o resto",
        r"nenhuma?(?: (?:de|dess[ae]s|dest[ae]s|d[ao]s|anteriores|acima|deles|delas|categoria|opcao|opcoes)){0,4}",
        r"nada disso|desconhecid[oa]s?|divers[oa]s|indefinid[oa]s?|incert[oa]|fora do (?:tema|assunto)",
        r"nao (?:sei|se aplica|aplicavel|classificad[oa]|especificad[oa]|informad[oa]|tenho certeza|esta claro)",
        r"a revisar|precisa de revisao|sem (?:categoria|classificacao)",
    ),
    "nl": (
        r"(?:(?:iets|een|alle|de|het) )?(?:ander[es]?|andere|overige?)"
        r"(?: (?:onderwerp|onderwerpen|categorie|categorieen|soort|ding|dingen|klasse|reden|redenen|vraag|vragen))?",
        r"geen(?: (?:van|deze|de|bovenstaande|hiervan|daarvan|allen|beide|categorie|opties?|idee|overeenkomst)){0,4}",
        r"niets(?: (?:van dit alles|hiervan))?|onbekende?|onduidelijk|onzeker|diversen|de rest|weet (?:ik )?niet|n\.? ?v\.? ?t",
        r"niet (?:van toepassing|geclassificeerd|gespecificeerd|bekend|zeker|duidelijk|relevant)|te (?:controleren|beoordelen)",
    ),
    "pl": (
        r"inn[eyai](?: (?:temat|tematy|kategoria|kategorie|sprawa|sprawy|pytanie|pytania|typ|powod|rodzaj))?",
        r"cos innego|pozostale|reszta",
        r"(?:zadn[eaey]|zaden)(?: z (?:tych|powyzszych|nich|podanych|wymienionych))?|nic(?: z tego)?|rozne|brak",
        r"nieznan[eya]|nieokreslon[eya]|niepewn[eya]|niesklasyfikowan[eya]|do (?:sprawdzenia|weryfikacji)",
        r"nie (?:wiem|dotyczy|okreslono|sklasyfikowano|jestem pew(?:ny|na)|ma zastosowania)",
    ),
    "ja": (
        r"(?:その|それ以外の)(?:他|ほか)(?:の(?:カテゴリー?|トピック|話題|項目|分類|もの|こと|内容|お?問い合わせ))?|それ以外(?:のもの)?",
        r"他|ほか|他のもの|(?:どれ|どちら)でもない|どれにも(?:当てはまら|あてはまら|該当し)ない|いずれ(?:でもない|にも(?:該当し|当てはまら)ない)",
        r"該当(?:なし|無し|しない|せず)|なし|無し|不明|わからない|分からない|未分類|未定|要確認|対象外",
    ),
    "zh": (
        r"其[他它余餘](?:的|类别?|類別?|选项|選項|主题|主題|情况|情況|问题|問題|内容|內容|类型|類型|事项|事項)?|别的|別的|杂项|雜項",
        r"(?:以上|上述)?(?:都|皆|均)不是|以上(?:都|皆|均)(?:不是|非)|无|無|没有|沒有|未知|不明|不知道|未分类|未分類",
        r"(?:无法|無法)(?:判断|判斷|确定|確定|分类|分類|识别|識別)|不确定|不確定|不适用|不適用|不相关|不相關|无关|無關",
        r"不[属屬]于(?:以上|上述)?任何.{0,6}",
        r"(?:待|需要?)(?:人工)?(?:审核|審核|确认|確認|复核)",
    ),
}

Certainty = Literal["always", "one word", "never"]
# Each row: a pattern with THING for what is negated, its certainty, and set phrases that begin with this negation. Sentences
# ("das ist kein Hund") are always clear. A "no" before one word is, too. Every other word for not, no or without may begin a
# name ("sin gluten", "nicht-binär") or report an event ("nicht angekommen").
_ROMANCE_EVENTS = (
    "internet problemas? probl[èe]mes? problem[ai] respuesta r[ée]ponse risposta resposta wi-?fi acc[èe]s reseau r[ée]seau",
    "remboursement reembolso rimborso",
)
_GERMANIC_EVENTS = (
    "internet signaal strom stroom antwort antwoord lieferung levering problem probleem empfang zugang verbinding",
)
NEGATIONS: tuple[tuple[str, Certainty, tuple[str, ...]], ...] = (
    # German
    (r"(?:(?:das|dies|es) )?(?:ist|sind) (?:keine?|nicht(?: (?:der|die|das|eine?))?) THING", "always", ()),
    (r"keine?[rnms]? THING", "one word", _GERMANIC_EVENTS),
    (r"(?:nicht[ -]|ohne )(?:(?:der|die|das|eine?) )?THING", "never", ()),
    # French
    (r"(?:(?:ce|il|elle) )?n'est pas (?:de l'|d'|l'|(?:une?|du|de la|de|le|la) )?THING", "always", ()),
    (r"(?:il )?n'?y a pas (?:de |d')THING", "always", _ROMANCE_EVENTS),
    (r"(?:pas (?:de |d'|une? )|aucune? )THING", "one word", _ROMANCE_EVENTS),
    (r"(?:pas|sans) (?:(?:une?|du|de la|le|la) |l')?THING", "never", ()),
    # Spanish
    (r"no (?:es|son|hay|contiene|tiene) (?:(?:un|una|el|la|ning[úu]n|ninguna) )?THING", "always", _ROMANCE_EVENTS),
    (r"ning[úu]na? THING", "one word", _ROMANCE_EVENTS),
    (r"sin THING", "never", ()),
    # Italian
    (r"non (?:[èe]'?|sono|c'[èe]|ci sono|contiene) (?:(?:uno?|una|il|la) |un'|l')?THING", "always", ()),
    (r"nessun(?:a |o | |')THING", "one word", _ROMANCE_EVENTS),
    (r"senza THING", "never", ()),
    # Portuguese
    (r"n[ãa]o (?:[ée]|s[ãa]o|h[áa]|cont[ée]m|tem) (?:(?:uma?|o|a) )?THING", "always", ()),
    (r"nenhuma? THING", "one word", _ROMANCE_EVENTS),
    (r"(?:n[ãa]o[ -]|sem )THING", "never", ()),
    # Dutch
    (r"(?:(?:dit|dat|het) )?(?:is|zijn) (?:geen|niet(?: (?:de|het|een))?) THING", "always", ()),
    (r"geen THING", "one word", _GERMANIC_EVENTS),
    (r"(?:niet[ -]|zonder )(?:(?:de|het|een) )?THING", "never", ()),
    # Polish
    (r"(?:to )?nie (?:jest|s[ąa]|zawiera) THING", "always", ()),
    (r"brak THING", "one word", ("internetu odpowiedzi dostawy zasi[ęe]gu pr[ąa]du po[łl][ąa]czenia",)),
    (r"(?:nie[ -]?|bez )THING", "never", ()),
    # Japanese
    (r"THING(?:では(?:ない|ありません)|じゃない|でない)", "always", ()),
    (r"THINGが(?:いない|ない|いません|ありません|写っていない|含まれない)", "always", ()),
    (r"THING(?:なし|無し|以外)", "never", ()),
    (r"非THING", "never", ()),
    # Chinese
    (r"(?:这|這)?不是(?:一?[只个個張张条條部辆輛])?THING", "always", ()),
    (
        r"(?:图中|圖中|里面)?(?:没有|沒有)THING",
        "always",
        (r"(?:收到|到货|到貨|发货|發貨|回复|回復|网络|網路|信号|信號|问题|問題)\w*",),
    ),
    (r"(?:非|无|無|不含|不)THING", "never", ()),
)

# Inside a label: a negation, and what stands in its place in the label that it denies ("person with helmet" beside "person
# without helmet", "it works" beside "it never works").
AFFIRMATIONS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"\bwithout\b", "with"),
        (r"\b(?:not|never|no) ", ""),
        (r"\b(is|are|was|were|do|does|did|has|have|can|could|would|should)n['\u2019]?t\b", r"\1"),
        (r"\b(can)not\b", r"\1"),
        (r"\bohne\b", "mit"),
        (r"\b(?:nicht|keine?[rnms]?)\b", ""),
        (r"\bsans\b", "avec"),
        (r"\bne (.{1,40}?) pas\b", r"\1"),
        (r"\b(?:sin|senza)\b", "con"),
        (r"\bnon ", ""),
        (r"\bsem\b", "com"),
        (r"\bn[\u00e3a]o ", ""),
        (r"\bzonder\b", "met"),
        (r"\b(?:niet|geen)\b", ""),
        (r"\bbez\b", "z"),
        (r"\bnie ", ""),
        (r"没有|沒有", "有"),
        (r"没有|沒有|没|沒|未|不", ""),
        (r"ない$", "る"),
        (r"なし$", "あり"),
    )
)
