"""Batches: each word once, masked at the rate, without padding, the same for every number of processes."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chatlib.errors import NotEnoughData, ParameterError
from chatlib.pretrain.data import iter_batches, iter_token_batches, make_data, pack_blocks
from tests.pretrain.chats import SMALL

FRAME = SimpleNamespace(cls_token_id=1, sep_token_id=2)


@pytest.fixture(params=["across messages", "alone"])
def data(request, chat, lm):
    return make_data(chat, lm.tokenizer, replace(SMALL, alone=request.param == "alone"))


def batches_of(data, lm, *, seed=0, epoch=1, **share):
    settings = replace(SMALL, mask_rate=0.4, seed=seed)
    return list(iter_batches(data, lm.tokenizer, settings, epoch=epoch, **share))


def rows_of(batches, pad_id):
    """Return the rows with the hidden tokens put back, without padding."""
    rows = []
    for batch in batches:
        flat = batch.ids.flatten()
        flat[batch.positions] = batch.labels
        rows += [tuple(row[row != pad_id].tolist()) for row in flat.view_as(batch.ids).numpy()]
    return sorted(rows)


def test_batches_hide_own_words_at_the_rate_and_have_each_row_once(lm, data):
    batches, tokenizer = batches_of(data, lm), lm.tokenizer
    n_hidden = n_masks = n_kept = 0
    for batch in batches:
        labels, seen = batch.labels, batch.ids.flatten()[batch.positions]
        assert len(labels) == batch.n_masked > 0
        assert not np.isin(labels, tokenizer.all_special_ids).any()
        n_hidden += len(labels)
        n_masks += int((seen == tokenizer.mask_token_id).sum())
        n_kept += int((seen == labels).sum())
    rows = data.blocks if data.messages is None else data.messages
    assert rows_of(batches, tokenizer.pad_token_id) == sorted(tuple(row.tolist()) for row in rows)
    n_words = sum((~np.isin(row, tokenizer.all_special_ids)).sum() for row in rows)
    assert n_hidden / n_words == pytest.approx(0.4, abs=0.03)
    assert n_masks / n_hidden == pytest.approx(0.8, abs=0.05)
    assert n_kept / n_hidden == pytest.approx(0.1, abs=0.04)


def test_hardly_anything_is_padding_and_no_batch_is_over_the_budget(lm, data):
    batches = batches_of(data, lm)
    assert max(batch.ids.numel() for batch in batches) <= 8 * 32
    assert data.n_tokens > 0.98 * sum(batch.ids.numel() for batch in batches)
    for batch in batches:
        padded = batch.ids == lm.tokenizer.pad_token_id
        if batch.attention is None:
            assert not padded.any()
        else:
            assert torch.equal(batch.attention == 0, padded)


def test_alone_a_message_is_framed_and_nothing_else_is_in_its_row(chat, lm):
    data = make_data(chat, lm.tokenizer, replace(SMALL, alone=True))
    cls_id, sep_id = lm.tokenizer.cls_token_id, lm.tokenizer.sep_token_id
    assert len(data.messages) == len(chat.train)
    for row in data.messages:
        assert (row[0], row[-1]) == (cls_id, sep_id)
        assert not np.isin(row[1:-1], [cls_id, sep_id]).any()
    together = make_data(chat, lm.tokenizer, SMALL)
    for name in ("held_out_blocks", "single_messages"):
        ours, theirs = (getattr(d, name).labels for d in (data, together))
        assert np.array_equal(np.concatenate(ours), np.concatenate(theirs))


def test_each_epoch_has_masks_and_an_order_of_its_own(lm, data):
    first, again, second, other = (
        batches_of(data, lm, epoch=epoch, seed=seed)[0] for epoch, seed in ((1, 0), (1, 0), (2, 0), (1, 1))
    )
    assert torch.equal(first.ids, again.ids)
    assert first.ids.shape != second.ids.shape or not torch.equal(first.ids, second.ids)
    assert first.ids.shape != other.ids.shape or not torch.equal(first.ids, other.ids)


@pytest.mark.parametrize("count", [2, 3])
def test_processes_share_each_batch(lm, data, count):
    pad_id = lm.tokenizer.pad_token_id
    whole = batches_of(data, lm)
    shares = [batches_of(data, lm, share=number, of=count) for number in range(count)]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert {part.n_masked for part in parts} == {batch.n_masked}
        assert sum(len(part.labels) for part in parts) == batch.n_masked
        assert rows_of(parts, pad_id) == rows_of([batch], pad_id)


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_batches_by_token_budget_hold_each_row_once_and_little_padding(seed):
    lengths = np.random.default_rng(5).integers(1, 90, 500)
    rng = None if seed is None else np.random.default_rng(seed)
    batches = list(iter_token_batches(lengths, max_tokens=300, rng=rng))
    assert sorted(np.concatenate(batches)) == list(range(500))
    padded = [len(batch) * lengths[batch].max() for batch in batches]
    assert max(padded) <= 300
    assert lengths.sum() > 0.97 * sum(padded)
    in_order = [lengths[batch].max() for batch in batches]
    assert (in_order == sorted(in_order)) is (seed is None)


def test_a_row_over_the_budget_is_a_batch_by_itself_and_rows_of_one_length_keep_their_order():
    batches = iter_token_batches(np.array([2, 500, 2, 2]), max_tokens=4)
    assert [batch.tolist() for batch in batches] == [[0, 2], [3], [1]]
    assert list(iter_token_batches(np.array([], int), max_tokens=4)) == []


def test_blocks_are_messages_in_order_each_with_its_end():
    streams = [
        [np.array([11, 12]), np.array([13]), np.array([14, 15, 16])],
        [np.array([21])],
        [np.array([31, 32, 33, 34])],
    ]
    blocks = pack_blocks(streams, FRAME, block_len=5)
    assert blocks.tolist() == [
        [1, 11, 12, 2, 13],
        [1, 2, 14, 15, 16],
        [1, 31, 32, 33, 34],
    ]
    assert blocks.dtype == np.int64


def test_no_full_block_is_refused():
    with pytest.raises(NotEnoughData, match="block of 9 tokens; none of 2"):
        pack_blocks([[np.array([3])], []], FRAME, block_len=9)


@pytest.mark.parametrize("block_len", [4, 1000])
def test_blocks_that_the_model_cannot_read_are_refused(chat, lm, block_len):
    with pytest.raises(ParameterError, match="BLOCK_LEN is between 8 and the model's 512"):
        make_data(chat, lm.tokenizer, replace(SMALL, block_len=block_len))
