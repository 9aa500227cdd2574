package metric

import (
	"cmp"
	"slices"
)

// order returns the indices of the scores in increasing order of score.
func order[F Float](scores []F) []int32 {
	idx := make([]int32, len(scores))
	for i := range idx {
		idx[i] = int32(i)
	}
	slices.SortFunc(idx, func(a, b int32) int { return cmp.Compare(scores[a], scores[b]) })
	return idx
}

// AUC is the area under the ROC curve: the probability that a liked sample scores higher than one that is not, where a tie counts one
// half (the Mann-Whitney statistic over the number of pairs). It fails with ErrOneClass where one class is missing.
func AUC[F Float](scores []F, labels []bool) (float64, error) {
	if err := check(scores, labels); err != nil {
		return 0, err
	}
	pos, neg, err := classes(labels)
	if err != nil {
		return 0, err
	}
	return aucOrdered(order(scores), scores, labels) / (float64(pos) * float64(neg)), nil
}

// aucOrdered is the Mann-Whitney statistic: the number of pairs in the right order, ties counting one half.
func aucOrdered[F Float](idx []int32, scores []F, labels []bool) float64 {
	var below, u float64
	for lo := 0; lo < len(idx); {
		var p, n float64
		hi := lo
		for ; hi < len(idx) && scores[idx[hi]] == scores[idx[lo]]; hi++ {
			if labels[idx[hi]] {
				p++
			} else {
				n++
			}
		}
		u += p * (below + n/2)
		below += n
		lo = hi
	}
	return u
}
