"""The record and the results of a run, written by hand."""

CURVE = {"distance": [1, 10, 100], "similarity": [0.3, 0.1, 0.0]}
RECORD = {
    "data": {"messages": 42175, "first_day": "2026-01-09", "last_day": "2026-05-24", "simulated_streams": 24},
    "parameters": {"03_pretrain": {"BLOCK_LEN": 64, "MASK_RATE": 0.15}, "04_predict": {"N_LAYERS": 7}},
}
RESULTS = {
    "01_collect": {
        "headline": {"streams": 20, "messages": 34721, "chatters": 2792, "members": 157, "donors": 185}
    },
    "02_update": {"headline": {"new streams": 4, "new messages": 7454}},
    "03_pretrain": {
        "base": "scratch", "weights": 1393520, "streams": 14, "messages": 23899,
        "perplexity": {"epoch": [0, 1], "blocks_perplexity": [6874.8, 62.5]},
        "unigram": {"blocks": {"perplexity": 921.0}},
        "coherence_before": {"curve": CURVE, "gone_after_s": 20.0},
        "coherence_after": {"curve": CURVE, "gone_after_s": 20.0},
    },
    "04_predict": {
        "best_on_validation": "all together",
        "periods": {"test": {"donors": 77, "viewers": 1817}},
        "models": {
            "donor transformer": {"pr_auc": 0.1968}, "prior": {"pr_auc": 0.0424},
            "message count": {"pr_auc": 0.0786}, "all together": {"pr_auc": 0.2165},
        },
    },
    "05_analyze": {"highlights": 77, "spikes": 9, "streams": 24},
}  # fmt: skip
