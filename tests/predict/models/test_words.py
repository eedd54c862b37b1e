import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from chatlib.predict.models.words import fit_words, join_texts, learn_vocabulary
from chatlib.predict.viewers.table import load_viewers
from chatlib.store import open_store
from tests.predict.channels import day, save, say


def test_a_word_that_donors_say_is_found_here_and_in_earlier_streams(channel):
    viewers = load_viewers(channel)
    train = np.arange(len(viewers) // 2)
    vocabulary = learn_vocabulary(viewers, train=train)
    assert all("love" in terms for terms in vocabulary.terms)
    table = vocabulary.transform(viewers)
    numbers = pd.DataFrame({"n": viewers.table["n_messages"].astype(float), "never": np.nan})
    model = fit_words(table[train], numbers.iloc[train], viewers.paid[train])
    assert model.columns == ["n"]
    weights = dict(zip(vocabulary.terms[0], model.weights, strict=False))
    assert weights["love"] == max(weights.values()) > 0 > weights["gg"]


def test_rows_are_those_of_scikit_learn(channel):
    viewers = load_viewers(channel)
    train = np.arange(len(viewers))
    vocabulary = learn_vocabulary(viewers, train=train)
    ours = vocabulary.transform(viewers)[:, : len(vocabulary.terms[0])]
    texts = join_texts(viewers, max_messages=64)
    single = [i for i, term in enumerate(vocabulary.terms[0]) if " " not in term]
    settings = {"vocabulary": [vocabulary.terms[0][i] for i in single], "sublinear_tf": True, "norm": None}
    theirs = TfidfVectorizer(token_pattern=r"\S+", **settings).fit_transform(texts)
    lengths = np.sqrt(np.asarray(ours.power(2).sum(axis=1)))
    np.testing.assert_allclose(lengths, 1.0, rtol=1e-5)
    shares = ours[:, single].toarray() / np.maximum(
        ours[:, single].toarray().max(axis=1, keepdims=True), 1e-9
    )
    expected = theirs.toarray() / np.maximum(theirs.toarray().max(axis=1, keepdims=True), 1e-9)
    np.testing.assert_allclose(shares, expected, rtol=1e-4, atol=1e-6)


def test_signs_without_spaces_are_tokens_by_themselves():
    from chatlib.predict.models.words import _counter

    terms = _counter().fit(["草草草 GG greats8YoTrip", "ありがとう!"]).get_feature_names_out()
    assert {"草", "草 草", "gg", "greats8yotrip", "あ り", "!"} <= set(terms)


def test_no_text_is_no_terms(small):
    viewers = load_viewers(small)  # nothing is said by five viewers
    vocabulary = learn_vocabulary(viewers, train=np.arange(len(viewers)))
    assert vocabulary.terms == ([], [])
    assert vocabulary.transform(viewers).shape == (len(viewers), 0)
    numbers = pd.DataFrame({"n": np.arange(float(len(viewers)))})
    model = fit_words(sparse.csr_matrix((len(viewers), 0)), numbers, np.arange(len(viewers)) > 2)
    assert np.isfinite(model.score(model.weigh(vocabulary.transform(viewers), 0), numbers)).all()


def test_no_mention_names_a_viewer(tmp_path):
    rows = [say(i, f"viewer-{i}", "hey @Some_One-1 how are you ＠other") for i in range(9)]
    with open_store(tmp_path / "x.dbs", create=True) as db:
        save(db, {"a": (day(1), rows)})
        viewers = load_viewers(db)
    terms = learn_vocabulary(viewers, train=np.arange(9)).terms[0]
    assert {"hey", "@", "hey @", "@ how", "you @"} <= set(terms)
    assert not any("some" in term or "other" in term for term in terms)
