"""Labels are read as plain, as negated or as none of the others. Labels that only sound like a negation stay plain."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pigeonhole.inference.labels.catch_all import is_catch_all
from pigeonhole.inference.labels.emoji_names import spell_emoji
from pigeonhole.inference.labels.negation import find_negation
from pigeonhole.inference.labels.reading import Reading, parse_label

NEGATED = [
    # not
    ("not a hotdog", "hotdog"),
    ("Not A Hotdog", "Hotdog"),
    ("NOT HOTDOG", "HOTDOG"),
    ("not hotdog", "hotdog"),
    ("not the Eiffel Tower", "Eiffel Tower"),
    ("not any dog", "dog"),
    ("not an apple", "apple"),
    ("not a T-shirt", "T-shirt"),
    ("not a kind of food", "food"),
    ("not a photo of a hotdog", "hotdog"),
    ("not spam", "spam"),
    ("not guilty", "guilty"),
    ("not paid", "paid"),
    ("not wearing a helmet", "wearing a helmet"),
    ("not containing people", "people"),
    ("not showing a face", "face"),
    ("not about sports", "sports"),
    ("not related to politics", "politics"),
    ("not relevant to the war", "war"),
    ("not IT", "IT"),
    ("not US politics", "US politics"),
    ("!hotdog", "hotdog"),
    ("! a hotdog", "hotdog"),
    # other spellings
    ("not_a_hotdog", "hotdog"),
    ("not-a-hot-dog", "hot dog"),
    ("not-hotdog", "hotdog"),
    ("  not   a  hotdog  ", "hotdog"),
    ("Not a hotdog!", "hotdog"),
    ("not a hotdog.", "hotdog"),
    ("(not a hotdog)", "hotdog"),
    ("not (a hotdog)", "hotdog"),
    ("not(hotdog)", "hotdog"),
    ('"not a hotdog"', "hotdog"),
    ('not "hotdog"', "hotdog"),
    ("not a dog (puppy)", "dog (puppy)"),
    ("no\u00a0people", "people"),
    # no
    ("no people", "people"),
    ("No People", "People"),
    ("no_people", "people"),
    ("no hat", "hat"),
    ("no person present", "person"),
    ("no people visible", "people"),
    ("no people at all", "people"),
    ("no animals in the picture", "animals"),
    ("no face detected", "face"),
    ("no car is visible", "car"),
    ("no sign of damage", "damage"),
    ("no evidence of fraud", "fraud"),
    ("no other animals", "other animals"),
    ("no people or cars", "people or cars"),
    ("no objects", "objects"),
    ("no wedding", "wedding"),
    ("no building", "building"),
    # without, absence
    ("without glasses", "glasses"),
    ("without a hat", "hat"),
    ("without_mask", "mask"),
    ("absence of people", "people"),
    ("the absence of a logo", "logo"),
    ("people absent", "people"),
    ("safety helmet is absent", "safety helmet"),
    ("people not visible", "people"),
    ("people not visible in the photo", "people"),
    ("a dog isn't present", "dog"),
    ("not A", "A"),
    ("free of people", "people"),
    ("free from defects", "defects"),
    ("unrelated to sports", "sports"),
    ("nothing to do with politics", "politics"),
    # sentences
    ("isn't a hotdog", "hotdog"),
    ("isn\u2019t a hotdog", "hotdog"),
    ("isnt a hotdog", "hotdog"),
    ("is not a hotdog", "hotdog"),
    ("it is not a hotdog", "hotdog"),
    ("it's not a hotdog", "hotdog"),
    ("this is not a pipe", "pipe"),
    ("This message isn't spam", "spam"),
    ("there aren't any dogs", "dogs"),
    ("there are not any dogs", "dogs"),
    ("that\u2019s not a knife", "knife"),
    ("they aren't dogs", "dogs"),
    ("aren't dogs", "dogs"),
    ("the text is not about sport", "sport"),
    ("doesn't contain people", "people"),
    ("doesn\u2019t contain any people", "people"),
    ("does not show a face", "face"),
    ("does not mention a price", "price"),
    ("does not include nudity", "nudity"),
    ("does not have a beard", "beard"),
    ("the text does not mention money", "money"),
    ("contains no people", "people"),
    ("has no wheels", "wheels"),
    ("there is no dog", "dog"),
    ("there are no dogs in the photo", "dogs"),
    ("there's no dog", "dog"),
    ("a photo without people", "people"),
    ("a picture with no people", "people"),
    ("an image that does not contain people", "people"),
    ("image that has no text", "text"),
    ("photo of something that is not a hotdog", "hotdog"),
    ("a photo of no people", "people"),
    ("photo of not a dog", "dog"),
    ("they don't have wheels", "wheels"),
    ("a scene in which there is no car", "car"),
    ("something that isn't food", "food"),
    ("something not edible", "edible"),
    # exceptions
    ("anything but a hotdog", "hotdog"),
    ("everything but food", "food"),
    ("everything except dogs", "dogs"),
    ("everything except for dogs", "dogs"),
    ("except for dogs", "dogs"),
    ("all except dogs", "dogs"),
    ("other than a dog", "dog"),
    ("something other than a dog", "dog"),
    ("anything else than a dog", "dog"),
    ("anything that is not a dog", "dog"),
    ("anything that's not a dog", "dog"),
    ("a photo of anything but a dog", "dog"),
]

# Labels that may as well be names: another label decides.
NEGATED_BESIDE = [
    ("non-food", "food", "food"),
    ("non\u2011food", "food", "food"),
    ("non food", "food", "food"),
    ("nonfood", "food", "food"),
    ("non_food_item", "food item", "food"),
    ("a photo of a non-vehicle", "vehicle", "vehicles"),
    ("a non-vehicle", "vehicle", "a vehicle"),
    ("Non-Spam", "Spam", "spam"),
    ("non-spam email", "spam email", "spam"),
    ("non-toxic", "toxic", "toxicity"),
    ("nonviolent", "violent", "violence"),
    ("non-urgent", "urgent", "very urgent"),
    ("non-fiction", "fiction", "fiction"),
    ("non-Hodgkin lymphoma", "Hodgkin lymphoma", "Hodgkin lymphoma"),
    ("no-mask", "mask", "with mask"),
    ("no_hard_hat", "hard hat", "hard hat"),
    ("no face mask", "face mask", "face mask"),
    ("no-makeup look", "makeup look", "makeup"),
    ("no fire hydrant", "fire hydrant", "fire hydrants"),
    ("kein Sitzplatz frei", "Sitzplatz frei", "Sitzplatz frei"),
    ("nicht spam", "spam", "spam"),
    ("ohne Maske", "Maske", "mit Maske"),
    ("sans masque", "masque", "avec masque"),
    ("sin casco", "casco", "con casco"),
    ("senza casco", "casco", "casco"),
    ("sem capacete", "capacete", "capacete"),
    ("zonder helm", "helm", "helm"),
    ("bez kasku", "kasku", "kasku"),
    ("no spam deseado", "spam deseado", "spam deseado"),
    ("não spam", "spam", "spam"),
    ("nie spam", "spam", "spam"),
    ("niet spam", "spam", "spam"),
    ("マスクなし", "マスク", "マスクあり"),
    ("非食品", "食品", "食品"),
]

# Names of things that begin like a negation, beside labels that don't name what they would negate.
NAMES = [
    ("Non-Hodgkin lymphoma", ["leukemia", "melanoma", "lymphoma"]),
    ("non-compete agreement", ["employment contract", "lease", "agreement"]),
    ("non-Newtonian fluid", ["plasma", "gas", "fluid"]),
    ("no-makeup look", ["smoky eye", "gothic look"]),
    ("no makeup look", ["smoky eye", "gothic look"]),
    ("no-contact delivery", ["pickup", "delivery"]),
    ("non-disclosure agreement", ["invoice"]),
    ("non-ferrous metal", ["steel", "metal"]),
    ("non-communicable disease", ["community", "infection"]),
    ("no-till farming", ["irrigation"]),
    ("no-code", ["Python", "Java"]),
    ("No Country for Old Men", ["Fargo"]),
    ("nonprofit", ["company", "government"]),
    ("sin gluten", ["vegano", "picante"]),
    ("sans gluten", ["végane"]),
    ("ohne Zucker", ["mit Honig"]),
    ("nicht-binär", ["männlich", "weiblich"]),
    ("无糖", ["奶茶"]),
    ("不锈钢", ["铝"]),
]

NONE = [
    "other",
    "Other",
    "OTHER",
    "Other:",
    "others",
    "none",
    "None.",
    "none of these",
    "none of the above",
    "none_of_the_above",
    "none-of-the-above",
    "none of them",
    "none of the listed",
    "none of the other labels",
    "none of the given options",
    "neither",
    "neither of these",
    "not any of these",
    "nothing of these",
    "nothing",
    "nothing else",
    "something else",
    "Something else entirely",
    "anything else",
    "everything else",
    "unknown",
    "unrelated",
    "unrelated topic",
    "irrelevant",
    "off-topic",
    "out of scope",
    "out_of_scope",
    "misc",
    "misc.",
    "miscellaneous",
    "n/a",
    "N/A",
    "n.a.",
    "not applicable",
    "no match",
    "no matching category",
    "not listed",
    "not relevant",
    "Other (please specify)",
    "Other: please specify",
    "Other, please specify",
    "Other - please describe below",
    "Other/Unsure",
    "Other, if any",
    "unidentified object",
    "no specific topic",
    "to be classified",
    "something different",
    "unknown file format",
    "Miscellaneous/General",
    "Unclear/Ambiguous",
    "unsure",
    "not sure",
    "cannot tell",
    "can\u2019t tell",
    "I don't know",
    "needs review",
    "requires manual review",
    "to be determined",
    "unknown document type",
    "unknown type of document",
    "other kind of request",
    "other documents",
    "not specified",
    "insufficient information",
    "not in the list",
    "unclassified",
    "uncategorized",
    "uncategorised",
    "uncategorizable",
    "unlabelled",
    "cannot be classified",
    "other category",
    "another category",
    "other class",
    "other topic",
    "other topics",
    "other things",
    "a different topic",
    "the rest",
    "all others",
    "all the rest",
    "no label",
    "no category",
    "no class",
    "no label applies",
    "does not apply",
    "doesn't fit any",
    "doesn\u2019t fit any of these",
    "does not belong to any category",
    "none apply",
    "none fits",
    "anything but these",
    "(other)",
    "[other]",
    "other / unknown",
    "other/unknown",
    "other or unknown",
    "unknown/n/a",
    "other - misc",
    "other (none of the above)",
    "none of the above (other)",
]

PLAIN = [
    "hotdog",
    "a drawing of a dog",
    "complaint about a late delivery",
    # words that begin like a negation
    *["knot", "knots", "notebook", "note", "notary", "notice", "noted", "number", "north", "Nottingham", "Norway", "nobody"],
    *["nun", "nonna", "nonsense", "nonstop", "nonfiction", "nonprofit", "Notre-Dame", "Notre Dame cathedral", "noodles"],
    *["another", "mother", "otherworldly", "nevertheless", "never mind", "noneuclidean"],
    # no and no. in set phrases
    *["no entry sign", "no smoking", "no smoking sign", "no parking", "no parking sign", "no-parking zone", "no running sign"],
    *["no dogs allowed", "no man's land", "No Man\u2019s Sky", "no. 1", "No. 5", "no 1", "No.5", "no one", "no-one"],
    *["no-brainer", "no-show", "no show", "no internet", "no internet connection", "no signal", "no reply", "no response"],
    *["no refund received", "no refund", "no idea", "no problem", "no worries", "no thanks", "no, thanks", "no way"],
    *[
        "no longer available",
        "No Country for Old Men",
        "No Time to Die",
        "no-fly zone",
        "no strings attached",
        "no funciona",
        "no delivery yet",
    ],
    # not in set phrases and in events
    *["not bad", "not only", "not only food", "not ok", "Not OK", "not safe for work", "not found", "not found page"],
    *["404 not found", "not my problem", "not yet", "not working", "card not working", "my parcel did not arrive"],
    *["how do I cancel if I have not paid", "can't log in", "cannot log in", "message not delivered", "text not received"],
    *["is not working", "it is not working", "card not present", "I do not like it", "Don't walk", "do not disturb sign"],
    *["isn't it romantic", "isn\u2019t it romantic", "whether or not", "the food was not good", "why is my card not accepted"],
    *[
        "not a dog but a cat",
        "not just a dog",
        "no dog, no cat",
        "no people / no animals",
        "no animals, not even birds",
        "a person without a hat",
        "coffee without milk",
    ],
    # non
    *["non-fiction", "non fiction", "non-stick pan", "non-profit", "non-stop flight", "non-binary", "non-alcoholic beer"],
    # without, free, lack, but
    *["without a doubt", "without warning", "without you", "free kick", "sugar-free", "gluten-free", "wireless"],
    *["free of charge", "free", "lack of sleep", "lack of support", "missing person", "nothing but trouble"],
    *["everything but the girl", "hatless"],
    # almost none
    *["other animals", "other food", "other people", "unknown pleasures album", "unknown soldier", "none the wiser"],
    *[
        "nothing burger",
        "Nothing Phone",
        "nothing special",
        "The Other Guys",
        "someone else",
        "rest",
        "do not show ads",
        "rest and relaxation",
    ],
    *["miscellaneous fees", "other / food", "dog, other"],
    # a negation of nothing
    *["no", "not", "non", "without", "not a", "not the", "!", "!!", "!=x", "not ...", "no ?", "absent", "", "not other"],
]


@pytest.mark.parametrize(("label", "thing"), NEGATED)
def test_a_negated_label_names_what_it_negates(label: str, thing: str) -> None:
    assert parse_label(label) == Reading("negated", thing)


@pytest.mark.parametrize(("label", "thing", "other"), NEGATED_BESIDE)
def test_a_label_that_may_be_a_name_negates_what_another_label_names(label: str, thing: str, other: str) -> None:
    assert parse_label(label, ["something different", other]) == Reading("negated", thing)
    assert parse_label(label).kind == "plain"


@pytest.mark.parametrize(("label", "others"), NAMES)
def test_a_name_that_begins_like_a_negation_is_a_thing(label: str, others: list[str]) -> None:
    assert parse_label(label, others) == Reading("plain", label)


@pytest.mark.parametrize("label", ["No Finding", "no issue found", "nothing wrong", "no defects detected", "no abnormality"])
def test_no_finding_is_none_of_the_findings(label: str) -> None:
    assert parse_label(label, ["pneumonia", "fracture"]) == Reading("none", "")


@pytest.mark.parametrize(
    ("label", "other"),
    [
        ("a person without a hat", "a person with a hat"),
        ("person without helmet", "person with helmet"),
        ("a person not wearing a mask", "A person wearing a mask"),
        ("card not working", "card working"),
        ("the app doesn't work", "the app does work"),
        ("Brille ohne Rahmen", "Brille mit Rahmen"),
        ("personne sans casque", "personne avec casque"),
        ("persona sin casco", "persona con casco"),
        ("no me gusta", "me gusta"),
        ("没戴口罩", "戴口罩"),
    ],
)
def test_a_label_that_another_label_says_without_the_negation_is_negated(label: str, other: str) -> None:
    reading = parse_label(label, ["something", other])
    assert (reading.kind, reading.text.casefold()) == ("negated", other.casefold())
    assert parse_label(label, ["something"]).kind == "plain"


@pytest.mark.parametrize(
    ("label", "other"),
    [
        ("face without a mask", "face with a medical mask"),
        ("metal structure without rust", "rusty metal"),
        ("face without a smile", "smiling face"),
        ("wall without cracks", "cracked wall"),
        ("flight with no delay", "delayed flight"),
    ],
)
def test_a_label_that_lacks_what_another_says_of_its_subject_is_negated(label: str, other: str) -> None:
    assert parse_label(label, [other, "something"]) == Reading("negated", other)
    assert parse_label(label, ["something"]).kind == "plain"


@pytest.mark.parametrize(
    ("label", "beside"),
    [
        ("coffee without milk", ["milk"]),  # another subject
        ("house without garden", ["house with a pool"]),  # another thing
        ("brain scan without a tumor", ["brain scan with a glioma tumor", "brain scan with a pituitary tumor"]),
    ],
)
def test_a_label_that_no_single_label_is_opposed_to_is_plain(label: str, beside: list[str]) -> None:
    assert parse_label(label, beside) == Reading("plain", label)


def test_no_defect_beside_a_defect_negates_it() -> None:
    assert parse_label("no defect", ["defect"]) == Reading("negated", "defect")
    assert parse_label("no damage", ["minor damage", "major damage"]) == Reading("negated", "damage")


@pytest.mark.parametrize(
    ("label", "thing"),
    [
        ("a photo of a cat", "cat"),
        ("A photo of a cat.", "cat"),
        ("a picture of the Eiffel Tower", "Eiffel Tower"),
        ("an image showing two dogs", "two dogs"),
        ("an image that shows a dog", "dog"),
        ("a photo with a dog", "dog"),
        ("this is a cat", "cat"),
        ("This is a complaint about a late delivery.", "complaint about a late delivery"),
        ("there is a cat in the picture", "cat"),
        ("text about sports", "sports"),
        ("this text is about politics", "politics"),
        ("This example is about sports.", "sports"),
        ("an email regarding billing", "billing"),
        ("The topic is politics.", "politics"),
        ("the sentiment of this review is positive", "positive"),
        ("this email is spam", "spam"),
        ("This is spam", "spam"),
        ("a photo of a 🐶", "dog face"),
    ],
)
def test_a_label_that_is_a_prompt_names_its_thing(label: str, thing: str) -> None:
    assert parse_label(label) == Reading("plain", thing)


@pytest.mark.parametrize(
    "label",
    [
        "this is how we do it",
        "a shot of whiskey",
        "a painting of a cat",
        "photo",
        "picture frame",
        "image of",
        "photo of",
        "about us",
        "message in a bottle",
        "the topic",
    ],
)
def test_a_label_that_only_begins_like_a_prompt_is_unchanged(label: str) -> None:
    assert parse_label(label) == Reading("plain", label)


def test_a_prompt_for_something_else_is_none() -> None:
    assert parse_label("a photo of something else").kind == "none"


def test_emoji_are_read_as_words() -> None:
    assert parse_label("🐶") == Reading("plain", "dog face")
    assert parse_label("not 🐶") == Reading("negated", "dog face")
    assert parse_label("no 🐶", ["🐶"]) == Reading("negated", "dog face")


def test_an_ornament_hides_no_negation_and_no_catch_all() -> None:
    assert parse_label("❌ not spam") == Reading("negated", "spam")
    assert parse_label("🤷 Other") == Reading("none", "")
    assert parse_label("🚗 cars") == Reading("plain", "automobile cars")


def test_blanks_around_and_inside_a_label_change_nothing() -> None:
    assert parse_label("  hot\u00a0 dog ") == Reading("plain", "hot dog")


@pytest.mark.parametrize("label", NONE)
def test_a_label_for_everything_else_is_none(label: str) -> None:
    assert parse_label(label) == Reading("none", "")


@pytest.mark.parametrize("label", PLAIN)
def test_a_plain_label_is_unchanged(label: str) -> None:
    assert parse_label(label) == Reading("plain", label)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("not a non-food item", "food item"),
        ("no non-smokers", "smokers"),
        ("not without a hat", "hat"),
        ("not not spam", "spam"),
        ("not not not spam", "not not not spam"),
    ],
)
def test_two_negations_cancel_out_and_more_are_unchanged(label: str, text: str) -> None:
    assert parse_label(label, ["food", "smokers"]) == Reading("plain", text)


def test_each_label_of_this_file_is_unique() -> None:
    labels = [*(label for label, _ in NEGATED), *NONE, *PLAIN]
    assert len(labels) == len(set(labels))


@settings(deadline=None)
@given(st.text(max_size=512))
def test_any_text_has_a_reading(label: str) -> None:
    check_reading(label, parse_label(label))


PIECES = [
    *["not", "no", "non", "-", "without", "a", "an", "of", "the", "is", "that", "isn't", "other"],
    *["/", "none", "(", ")", "!", "but", "free", "absent", "hotdog", "_", "photo", "in", "it's", "any"],
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join))
def test_any_sequence_of_negations_has_a_reading(label: str) -> None:
    check_reading(label, parse_label(label))


def check_reading(label: str, reading: Reading) -> None:
    if reading.kind == "plain":
        spelled = " ".join(spell_emoji(label).split())
        assert reading.text == spelled or 0 < len(reading.text) < len(spelled)
    elif reading.kind == "negated":
        assert 0 < len(reading.text.strip()) < len(spell_emoji(label))
    else:
        assert reading.text == ""


MARKERLESS = [
    *["red", "hot", "dog", "cat", "an", "in", "with"],
    *["my", "card", "order", "late", "refund", "music", "knot", "note", "mother", "5", "é", "猫"],
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(MARKERLESS), min_size=1).map(" ".join))
def test_a_label_without_a_marker_is_plain_and_unchanged(label: str) -> None:
    assert parse_label(label) == Reading("plain", label)


@pytest.mark.parametrize(
    "piece",
    [
        "not ",
        "no ",
        "non-",
        "!",
        "other/",
        "a ",
        "photo of ",
        "is not ",
        "(",
        "n/a ",
        "none of the ",
        "x ",
        "this is a ",
        "photo of a ",
        "other, ",
        "no x or ",
        "非",
        "kein ",
    ],
)
@pytest.mark.parametrize("end", ["", "a", " absent", " not present", " in the photo", "\n"])
def test_hostile_labels_take_linear_time(piece: str, end: str) -> None:
    short, long = (best_time((piece * size)[:size] + end) for size in (2048, 16 * 2048))
    # The length is sixteen times as large, so quadratic time would be 256 times as long. The margin is for a busy machine.
    assert long < 80 * short + 0.02


def best_time(label: str) -> float:
    times = []
    for _ in range(2):
        find_negation.cache_clear()
        is_catch_all.cache_clear()
        start = time.process_time()
        parse_label(label)
        times.append(time.process_time() - start)
    return min(times)
