"""Catch-alls and negations in other languages than English."""

import pytest

from pigeonhole.inference.labels.catch_all import is_catch_all
from pigeonhole.inference.labels.reading import Reading, parse_label

CATCH_ALLS = {
    "es": "otro, Otros, otra categoría, ninguno, ninguno de estos, desconocido, no sé, sin clasificar, no aplica",
    "fr": "autre, Autres, autre sujet, aucun, aucun de ces sujets, inconnu, non applicable, hors sujet",
    "de": "andere, Sonstiges, sonstige, Anderes Thema, etwas anderes, keine davon, keines der genannten, unbekannt, unklar",
    "it": "altro, altri, altra categoria, nessuno, nessuno di questi, sconosciuto, non so, non classificato",
    "pt": "outro, Outros, outra categoria, nenhum, nenhuma das anteriores, desconhecido, não sei, não se aplica",
    "nl": "overig, Overige, anders, iets anders, geen van deze, onbekend, niet van toepassing, n.v.t.",
    "pl": "inne, Inny, inny temat, żadne z powyższych, nieznane, nie wiem, nie dotyczy",
    "ja": "その他, そのほか, どれでもない, 該当なし, 不明, それ以外",
    "zh": "其他, 其它, 其他问题, 都不是, 以上都不是, 未知, 无法判断, 不确定",
    "mixed": "Otro / Other, Sonstiges (bitte angeben), autre (préciser), 其他\uff08请注明\uff09, altro / non so",
}


@pytest.mark.parametrize("label", [label for labels in CATCH_ALLS.values() for label in labels.split(", ")])
def test_a_catch_all_of_another_language_is_none(label: str) -> None:
    assert is_catch_all(label)


@pytest.mark.parametrize(
    "label",
    ["otro perro", "autre chien", "andere Tiere", "altra musica", "outra comida", "overige dieren", "inny pies",
     "その他の食べ物", "其他动物", "Divers", "Rest", "variable", "novario"],
)  # fmt: skip
def test_another_thing_of_a_kind_is_plain(label: str) -> None:
    assert not is_catch_all(label)


@pytest.mark.parametrize(
    ("label", "thing"),
    [
        ("kein Spam", "Spam"),
        ("keine Katze", "Katze"),
        ("das ist kein Hund", "Hund"),
        ("pas de chat", "chat"),
        ("ce n'est pas un chat", "chat"),
        ("ce n\u2019est pas de l\u2019art", "art"),
        ("aucun chat", "chat"),
        ("no es un perro", "perro"),
        ("no hay personas", "personas"),
        ("ningún perro", "perro"),
        ("non è spam", "spam"),
        ("nessuna persona", "persona"),
        ("não é spam", "spam"),
        ("nenhum cachorro", "cachorro"),
        ("geen spam", "spam"),
        ("dit is geen hond", "hond"),
        ("to nie jest spam", "spam"),
        ("brak ludzi", "ludzi"),
        ("猫ではない", "猫"),
        ("猫じゃない", "猫"),
        ("人がいない", "人"),
        ("没有人", "人"),
        ("不是猫", "猫"),
        ("不是一只猫", "猫"),
    ],
)
def test_a_negation_of_another_language_names_what_it_negates(label: str, thing: str) -> None:
    assert parse_label(label) == Reading("negated", thing)


@pytest.mark.parametrize(
    "label",
    ["kein Internet", "keine Antwort", "geen internet", "pas de réponse", "nessun problema",
     "没有收到货",
     "nicht angekommen", "pas reçu", "niet geleverd", "nie działa", "glutenfrei"],
)  # fmt: skip
def test_a_fault_or_event_of_another_language_is_plain(label: str) -> None:
    assert parse_label(label) == Reading("plain", label)


@pytest.mark.parametrize(
    ("label", "beside"),
    [
        ("非洲", ["亚洲", "欧洲", "美洲"]),  # Africa, beside other continents
        ("非洲象", ["亚洲象"]),
        ("不丹", ["丹麦"]),
        ("无锡", ["锡林浩特"]),
        ("无聊", ["聊天"]),
    ],
)
def test_a_name_that_begins_like_a_negation_is_plain(label: str, beside: list[str]) -> None:
    assert parse_label(label, beside) == Reading("plain", label)


@pytest.mark.parametrize(("label", "other"), [("无罪", "有罪"), ("无糖", "含糖"), ("没有人", "有人"), ("非洲", "洲")])
def test_a_negation_of_what_another_label_has_is_one(label: str, other: str) -> None:
    assert parse_label(label, [other]).kind == "negated"
