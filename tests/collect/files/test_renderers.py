"""Single fields of YouTube's renderers."""

import pytest

from chatlib.collect.files.renderers import read_link


@pytest.mark.parametrize(
    ("shown", "url", "read"),
    [
        ("https://youtu.be/ab...", "/watch?v=abcdefghijk", "https://www.youtube.com/watch?v=abcdefghijk"),
        ("https://example.org", "https://www.youtube.com/redirect?q=https%3A%2F%2Fexample.org%2Fx",
         "https://example.org/x"),
        ("www.example.org", "//www.example.org/x", "https://www.example.org/x"),
        ("http://example.org", "http://example.org/x", "http://example.org/x"),
        ("https://example.org", "/redirect?event=live_chat", "https://example.org"),
        ("https://example.org", 5, "https://example.org"),
        ("#harbor", "/hashtag/harbor", "#harbor"),
        ("@ann", "/@ann", "@ann"),
        ("1:23", "/watch?v=abcdefghijk&t=83s", "1:23"),
        (None, "/watch?v=abcdefghijk", None),
    ],
)  # fmt: skip
def test_an_address_is_read_whole_and_other_words_as_they_are(shown, url, read):
    link = {"commandMetadata": {"webCommandMetadata": {"url": url}}}
    assert read_link({"text": shown, "navigationEndpoint": link}) == read
    assert read_link({"text": shown}) == shown
