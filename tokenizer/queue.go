package tokenizer

// merge is a candidate join of the symbol at left with the one after it.
type merge struct {
	// order is the merge's rank (Hugging Face) or its negated score (sentencepiece): the smallest goes first.
	order float64
	left  int32
	// check tells whether the candidate has expired: the id of the joined symbol, or its length in bytes.
	check int32
}

// before breaks ties from left to right: which of two equal merges goes first decides about ids ("VIII", ".....").
func (m merge) before(o merge) bool {
	return m.order < o.order || m.order == o.order && m.left < o.left
}

// mergeQueue is a binary heap of merges.
type mergeQueue []merge

func (q *mergeQueue) push(m merge) {
	h := append(*q, m)
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !m.before(h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = m
	*q = h
}

func (q *mergeQueue) pop() merge {
	h := *q
	top, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	i := 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(last) {
			break
		}
		h[i] = h[child]
		i = child
	}
	if len(h) > 0 {
		h[i] = last
	}
	*q = h
	return top
}
