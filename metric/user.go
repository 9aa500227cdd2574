package metric

import (
	"cmp"
	"fmt"
	"slices"
)

// UserAUCs is the AUC within users: how well each user's own items are ranked, which an overall preference for some users cannot lift.
type UserAUCs struct {
	// Mean is the plain mean of the AUCs of all users that have samples of both classes: every such user counts the same. This is
	// what a table's "user AUC" means.
	Mean float64
	// Weighted is the mean of the same AUCs weighted by each user's number of samples (GAUC, as Alibaba's DIN paper defines it).
	Weighted float64
	// Users counts the users in the means, Samples their samples; OneClass counts the users left out for want of a class.
	Users, Samples, OneClass int
}

// UserAUC computes the AUC within each user. It fails with ErrOneClass where no user has both classes.
func UserAUC[F Float](scores []F, labels []bool, users []int32) (UserAUCs, error) {
	var r UserAUCs
	if err := check(scores, labels); err != nil {
		return r, err
	}
	if len(users) != len(scores) {
		return r, fmt.Errorf("metric: %w: %d scores, %d users", ErrLength, len(scores), len(users))
	}
	idx := order(scores)
	slices.SortStableFunc(idx, func(a, b int32) int { return cmp.Compare(users[a], users[b]) })
	for lo := 0; lo < len(idx); {
		hi, pos := lo, 0
		for ; hi < len(idx) && users[idx[hi]] == users[idx[lo]]; hi++ {
			if labels[idx[hi]] {
				pos++
			}
		}
		n := hi - lo
		if pos == 0 || pos == n {
			r.OneClass++
		} else {
			auc := aucOrdered(idx[lo:hi], scores, labels) / (float64(pos) * float64(n-pos))
			r.Mean += auc
			r.Weighted += auc * float64(n)
			r.Users++
			r.Samples += n
		}
		lo = hi
	}
	if r.Users == 0 {
		return r, fmt.Errorf("metric: %w in every one of %d users", ErrOneClass, r.OneClass)
	}
	r.Mean /= float64(r.Users)
	r.Weighted /= float64(r.Samples)
	return r, nil
}
