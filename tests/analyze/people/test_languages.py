"""Scripts and languages: told where a text tells, and right where the truth is known."""

import csv
import gzip
import json
from collections import Counter

import pandas as pd
import pytest

from chatlib.analyze.people.speech import (
    count_languages,
    find_chat_languages,
    guess_language,
    guess_script,
)
from chatlib.workspace import SAMPLE_DIR


@pytest.mark.parametrize(
    ("text", "script", "language"),
    [
        ("what is this", "Latin", "English"),
        ("hola que tal", "Latin", "Spanish"),
        ("não sei o que é isso", "Latin", "Portuguese"),
        ("c'est quoi ça ?", "Latin", "French"),
        ("das ist nicht gut", "Latin", "German"),
        ("non ho capito perché", "Latin", "Italian"),
        ("kenapa dia tidak mau", "Latin", "Indonesian"),
        ("bakit wala siya", "Latin", "Filipino"),
        ("nie wiem czy to jest dobre", "Latin", "Polish"),
        ("çok güzel olmuş", "Latin", "Turkish"),
        ("ik weet het niet", "Latin", "Dutch"),
        ("ok", "Latin", None),
        ("wwww", "Latin", None),
        ("greats8YoTrip :_hi: LUL", "Latin", None),
        ("www.ebay.com", "Latin", None),
        ("これは何", "Hiragana", "Japanese"),
        ("ヤバい", "Hiragana", "Japanese"),
        ("え", "Hiragana", "Japanese"),
        ("¯\\_(ツ)_/¯", None, None),
        ("草", "Han", "Chinese or Japanese"),
        ("这是什么", "Han", "Chinese"),
        ("ㅋㅋㅋ 안녕", "Hangul", "Korean"),
        ("я не знаю", "Cyrillic", "Russian and other Cyrillic"),
        ("!!! 123 😂", None, None),
        ("", None, None),
    ],
)
def test_scripts_and_languages_are_told_where_a_text_tells(text, script, language):
    assert guess_script(text) == script
    assert guess_language(text) == language


def test_a_word_tells_only_a_language_that_the_chat_is_in():
    english = ["what is this", "that is what they have", "why would you do it"] * 20
    spanish = ["esto es muy bueno", "por favor no lo hagas", "gracias a todos por estar aquí"] * 20
    assert find_chat_languages(english) == {"English"}
    assert find_chat_languages(english + spanish) == {"English", "Spanish"}
    assert guess_language("hola", expected={"English"}) is None
    assert guess_language("hola a todos gracias", expected={"English"}) == "Spanish"
    counted = {}
    for name, texts in (("english", english), ("spanish", spanish)):
        table = count_languages(pd.DataFrame({"text": [*texts, "hola"]}))
        counted[name] = dict(zip(table["language"], table["messages"], strict=True))
    assert counted == {"english": {"English": 60, "too short to tell": 1}, "spanish": {"Spanish": 61}}
    assert find_chat_languages([]) == set()


def test_on_the_sample_nearly_every_language_that_is_told_is_right():
    with gzip.open(SAMPLE_DIR / "truth.csv.gz", "rt", encoding="utf-8") as file:
        truth = {(row["video_id"], row["author_id"]): row["japanese"] for row in csv.DictReader(file)}
    counts = Counter()
    for path in sorted(SAMPLE_DIR.glob("new/chat/*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for row in map(json.loads, file):
                japanese = truth.get((path.name.split(".")[0], (row.get("author") or {}).get("id")))
                if row["message_type"] == "text_message" and row.get("message") and japanese is not None:
                    told = guess_language(row["message"], expected={"English", "Japanese"})
                    right = {"Japanese", "Chinese or Japanese"} if japanese == "1" else {"English"}
                    counts["open" if told is None else "right" if told in right else "wrong"] += 1
    assert counts.total() > 5000
    assert counts["open"] / counts.total() < 0.3
    assert counts["right"] / (counts["right"] + counts["wrong"]) > 0.995
