// Package metric measures how well log-odds predict labels, and how sure one can be of it: AUC per sample and per user, log-loss,
// Brier score, calibration error, DeLong's variance and paired test, the paired bootstrap, and Holm's correction.
//
// Scores are log-odds logit(yes) - logit(no), with infinities allowed; labels are true where the user liked the item. Functions
// that only rank (AUC, DeLong) accept any score. All inputs of one call have the same length and order.
package metric

import (
	"errors"
	"fmt"
	"math"
)

// Errors that callers may want to tell apart.
var (
	// ErrOneClass says that all labels are the same (or that there are none), so that no ranking can be judged.
	ErrOneClass = errors.New("labels of one class only")
	// ErrTooFew says that a variance was asked of fewer than two samples of a class.
	ErrTooFew = errors.New("fewer than two samples of a class")
	// ErrLength says that inputs that belong together differ in length.
	ErrLength = errors.New("inputs differ in length")
	// ErrNaN says that a score is not a number.
	ErrNaN = errors.New("score is not a number")
	// ErrEmpty says that there is nothing to average over.
	ErrEmpty = errors.New("no samples")
)

// Float is what scores may be stored as.
type Float interface{ ~float32 | ~float64 }

// check wants as many labels as scores and no NaN among the scores.
func check[F Float](scores []F, labels []bool) error {
	if len(scores) != len(labels) {
		return fmt.Errorf("metric: %w: %d scores, %d labels", ErrLength, len(scores), len(labels))
	}
	for i, s := range scores {
		if s != s {
			return fmt.Errorf("metric: %w: score %d of %d", ErrNaN, i, len(scores))
		}
	}
	return nil
}

// classes counts both classes and wants at least one of each.
func classes(labels []bool) (pos, neg int, err error) {
	for _, l := range labels {
		if l {
			pos++
		} else {
			neg++
		}
	}
	if pos == 0 || neg == 0 {
		return pos, neg, fmt.Errorf("metric: %w: %d liked, %d not", ErrOneClass, pos, neg)
	}
	return pos, neg, nil
}

// Probability is the logistic function: the probability that has the given log-odds.
func Probability(logOdds float64) float64 {
	if logOdds >= 0 {
		return 1 / (1 + math.Exp(-logOdds))
	}
	e := math.Exp(logOdds)
	return e / (1 + e)
}

// softplus is log(1+exp(x)) without overflow; -log p(yes) is softplus(-logOdds).
func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }
