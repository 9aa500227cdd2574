"""Writes metric/testdata/golden.json: metric values from definitions as plain as they come (every pair of samples visited).

Run from the repository root:  python scripts/golden/metrics.py
scikit-learn confirms AUC, log-loss and Brier score; DeLong, calibration and Holm are written out here from their papers.
"""

import json
import math
import random

from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score


def psi(x, y):
    return 1.0 if x > y else 0.5 if x == y else 0.0


def components(scores, labels):
    """DeLong et al. 1988, equations for V10 and V01."""
    pos = [s for s, l in zip(scores, labels) if l]
    neg = [s for s, l in zip(scores, labels) if not l]
    v10 = [sum(psi(x, y) for y in neg) / len(neg) for x in pos]
    v01 = [sum(psi(x, y) for x in pos) / len(pos) for y in neg]
    return v10, v01


def cov(a, b):
    ma, mb = sum(a) / len(a), sum(b) / len(b)
    return sum((x - ma) * (y - mb) for x, y in zip(a, b)) / (len(a) - 1)


def delong(a, b, labels):
    a10, a01 = components(a, labels)
    b10, b01 = components(b, labels)
    s = lambda x10, x01, y10, y01: cov(x10, y10) / len(x10) + cov(x01, y01) / len(x01)
    va, vb, vab = s(a10, a01, a10, a01), s(b10, b01, b10, b01), s(a10, a01, b10, b01)
    diff = sum(a10) / len(a10) - sum(b10) / len(b10)
    se = math.sqrt(va + vb - 2 * vab)
    return math.sqrt(va), math.sqrt(vb), diff, se, math.erfc(abs(diff / se) / math.sqrt(2))


def calibration(scores, labels, bins):
    n = len(scores)
    groups = {}
    for s, l in zip(scores, labels):
        smaller = sum(1 for t in scores if t < s)
        groups.setdefault(smaller * bins // n, []).append((1 / (1 + math.exp(-s)), l))
    return sum(abs(sum(p - l for p, l in g)) for g in groups.values()) / n


def user_auc(scores, labels, users):
    aucs = []
    for u in sorted(set(users)):
        rows = [i for i, v in enumerate(users) if v == u]
        ls = [labels[i] for i in rows]
        if 0 < sum(ls) < len(ls):
            aucs.append((roc_auc_score(ls, [scores[i] for i in rows]), len(rows)))
    return sum(a for a, _ in aucs) / len(aucs), sum(a * n for a, n in aucs) / sum(n for _, n in aucs), len(aucs)


def case(seed, n, digits):
    rng = random.Random(seed)
    truth = [rng.gauss(0.4, 1) for _ in range(n)]
    labels = [int(t + rng.gauss(0, 1.5) > 0) for t in truth]
    a = [round(t + rng.gauss(0, 1), digits) for t in truth]
    b = [round(0.5 * t + rng.gauss(0, 1), digits) for t in truth]
    users = [rng.randrange(12) for _ in range(n)]
    p = [1 / (1 + math.exp(-x)) for x in a]
    sea, seb, diff, se, pv = delong(a, b, labels)
    mean, weighted, count = user_auc(a, labels, users)
    return {
        "a": a, "b": b, "labels": [bool(l) for l in labels], "users": users,
        "auc_a": roc_auc_score(labels, a), "auc_b": roc_auc_score(labels, b),
        "log_loss": log_loss(labels, p), "brier": brier_score_loss(labels, p),
        "ece15": calibration(a, labels, 15), "ece7": calibration(a, labels, 7),
        "se_a": sea, "se_b": seb, "difference": diff, "se": se, "p": pv,
        "user_auc": mean, "user_auc_weighted": weighted, "user_count": count,
    }


if __name__ == "__main__":
    with open("metric/testdata/golden.json", "w") as f:
        # One decimal makes many ties, none makes almost nothing but ties.
        json.dump([case(1, 150, 3), case(2, 90, 1), case(3, 60, 0)], f, separators=(",", ":"))
        f.write("\n")
