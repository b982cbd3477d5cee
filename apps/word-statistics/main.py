"""Count the words of a text: an iExec app in one file.

Reads the dataset (``IEXEC_DATASET_FILENAME``) and every input file (``IEXEC_INPUT_FILE_NAME_n``)
in ``IEXEC_IN``; with neither, the Gettysburg Address, so that it can be tried at once. Writes to
``IEXEC_OUT``: ``result.json`` (the same bytes from the same text, so that workers agree on it),
``result.txt`` for people, and ``computed.json``.
"""

import argparse
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
"""Letters of any script; apostrophes and hyphens only within."""
SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)]*(?:\s+|$)|\n\s*\n")
LONGEST = 10
NO_DATASET = "0x" + "00" * 20
"""The name that workers tell when no dataset was bought."""
GETTYSBURG = """
Four score and seven years ago our fathers brought forth on this continent, a
new nation, conceived in Liberty, and dedicated to the proposition that all men
are created equal.

Now we are engaged in a great civil war, testing whether that nation, or any
nation so conceived and so dedicated, can long endure. We are met on a great
battle-field of that war. We have come to dedicate a portion of that field, as
a final resting place for those who here gave their lives that that nation
might live. It is altogether fitting and proper that we should do this.

But, in a larger sense, we can not dedicate -- we can not consecrate -- we can
not hallow -- this ground. The brave men, living and dead, who struggled here,
have consecrated it, far above our poor power to add or detract. The world will
little note, nor long remember what we say here, but it can never forget what
they did here. It is for us the living, rather, to be dedicated here to the
unfinished work which they who fought here have thus far so nobly advanced. It
is rather for us to be here dedicated to the great task remaining before us --
that from these honored dead we take increased devotion to that cause for which
they gave the last full measure of devotion -- that we here highly resolve that
these dead shall not have died in vain -- that this nation, under God, shall
have a new birth of freedom -- and that government of the people, by the
people, for the people, shall not perish from the earth.
"""
"""Abraham Lincoln, 1863 (the Bliss copy); in the public domain everywhere."""


def main() -> int:
    """Run the app; returns the exit code."""
    parser = argparse.ArgumentParser(prog="word-statistics", description=__doc__.split("\n")[0])
    parser.add_argument("--top", type=_count, default=20, help="how many frequent words to list")
    options = parser.parse_args()
    try:
        texts = [path.read_text(encoding="utf-8-sig") for path in sources(os.environ)]
        found = statistics("\n".join(texts) if texts else GETTYSBURG, options.top)
        write(found, Path(os.environ.get("IEXEC_OUT", "/iexec_out")))
    except UnicodeDecodeError as fault:
        return _fail(f"the text is not UTF-8 ({fault.reason} at byte {fault.start})")
    except (OSError, ValueError) as fault:
        return _fail(str(fault))
    return 0


def sources(environment: Mapping[str, str]) -> list[Path]:
    """Return the files to read: the dataset first, then the input files in order; maybe none."""
    folder = Path(environment.get("IEXEC_IN", "/iexec_in"))
    count = int(environment.get("IEXEC_INPUT_FILES_NUMBER") or 0)
    names = [environment.get("IEXEC_DATASET_FILENAME")]
    names += [environment[f"IEXEC_INPUT_FILE_NAME_{number}"] for number in range(1, count + 1)]
    return [folder / name for name in names if name and name != NO_DATASET]


def statistics(text: str, top: int) -> dict:
    """Return what there is to tell about a text; words are compared without case."""
    words = [word.casefold().replace("’", "'") for word in WORD.findall(text)]
    if not words:
        raise ValueError("the text has no words")
    counts = Counter(words)
    lengths = [len(WORD.findall(part)) for part in SENTENCE_END.split(text)]
    sentences = [length for length in lengths if length]
    frequent = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {
        "characters": len(text),
        "lines": len(text.splitlines()),
        "words": len(words),
        "distinct_words": len(counts),
        "words_used_once": sum(1 for count in counts.values() if count == 1),
        "type_token_ratio": round(len(counts) / len(words), 4),
        "mean_word_length": round(sum(map(len, words)) / len(words), 4),
        "sentences": len(sentences),
        "words_per_sentence": round(len(words) / len(sentences), 4),
        "longest_sentence_words": max(sentences),
        "longest_words": sorted(counts, key=lambda word: (-len(word), word))[:LONGEST],
        "top_words": [{"word": word, "count": count} for word, count in frequent[:top]],
    }


def write(found: dict, out: Path) -> None:
    """Write the three files."""
    whole = json.dumps(found, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    report = _report(found)
    (out / "result.json").write_text(whole, encoding="utf-8")
    (out / "result.txt").write_text(report, encoding="utf-8")
    computed = {"deterministic-output-path": str(out / "result.json")}
    (out / "computed.json").write_text(json.dumps(computed), encoding="utf-8")
    print(report, end="")


def _report(found: dict) -> str:
    plain = {name: value for name, value in found.items() if not isinstance(value, list)}
    lines = [f"{name.replace('_', ' '):<24}{value:>12,}" for name, value in plain.items()]
    lines += ["", "longest words", *(f"  {word}" for word in found["longest_words"])]
    most = max((item["count"] for item in found["top_words"]), default=1)
    lines += ["", "most frequent words"]
    for item in found["top_words"]:
        bar = "#" * max(1, round(40 * item["count"] / most))
        lines.append(f"  {item['word']:<16}{item['count']:>6}  {bar}")
    return "\n".join(lines) + "\n"


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 10_000:
        raise argparse.ArgumentTypeError("give a number between 0 and 10000")
    return number


def _fail(reason: str) -> int:
    print(f"word-statistics: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
