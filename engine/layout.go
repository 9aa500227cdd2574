package engine

import (
	"fmt"
	"math"

	"lsat/prompt"
)

// ErrTooLong says that a sequence does not fit the model.
var ErrTooLong = fmt.Errorf("sequence is longer than the model allows")

// newBatch is a batch of nothing but padding.
func newBatch(rows, time int) *batch {
	b := &batch{rows: rows, time: time}
	for _, p := range []*[]int32{&b.tokens, &b.positions, &b.segments, &b.ends, &b.steps, &b.lowest} {
		*p = make([]int32, rows*time)
	}
	for i := range b.segments {
		b.segments[i], b.steps[i] = -1, -1
	}
	return b
}

// layOut writes rows of sequences out as a batch of count rows of that length.
func layOut(seqs []prompt.Sequence, rows []*row, count, time int, reach reach) *batch {
	b := newBatch(count, time)
	b.band = reach.band(time)
	for r, row := range rows {
		at := r * time
		for s, i := range row.members {
			seq := &seqs[i]
			path := make([]int32, len(seq.Tokens))
			from := 0
			if s > 0 { // the header stands at the row's start
				from = reach.header
				for k := range from {
					path[k] = int32(r*time + k)
				}
			}
			for k := from; k < len(path); k++ {
				path[k] = int32(at)
				at++
			}
			b.put(seq, path, from, int32(s))
			for k, p := range path[from:] {
				if b.ends[p] = int32(s) + 1; from+k < reach.header {
					b.ends[p] = int32(len(row.members))
				}
			}
			b.ask(seq, i, path)
			b.paths = append(b.paths, places{sequence: i, at: path})
		}
	}
	b.pad(count * time / 4)
	return b
}

// put writes the tokens of a sequence from the given one on, the k-th at path[k].
func (b *batch) put(seq *prompt.Sequence, path []int32, from int, segment int32) {
	for k := from; k < len(path); k++ {
		at := path[k]
		b.tokens[at], b.positions[at], b.segments[at] = seq.Tokens[k], int32(k), segment
		b.lowest[at] = math.MinInt32
		if windowed(seq) {
			b.steps[at] = seq.Steps[k]
			b.lowest[at] = seq.Steps[k] - seq.Window
		}
	}
}

// ask writes the targets of a sequence whose k-th token stands at path[k].
func (b *batch) ask(seq *prompt.Sequence, index int, path []int32) {
	for k, t := range seq.Targets {
		b.targets = append(b.targets, path[t.Position])
		label := float32(0)
		if t.Label {
			label = 1
		}
		b.labels = append(b.labels, label)
		b.weights = append(b.weights, 1)
		b.offsets = append(b.offsets, t.Offset)
		b.places = append(b.places, place{index, k})
	}
}

// pad fills the targets up with ones that do not count, to a capacity or the next power of two times it.
func (b *batch) pad(capacity int) {
	capacity = powerOfTwo(len(b.targets), max(1, capacity))
	for len(b.targets) < capacity {
		b.targets = append(b.targets, 0)
		b.labels = append(b.labels, 0)
		b.weights = append(b.weights, 0)
		b.offsets = append(b.offsets, 0)
	}
}

// check refuses sequences that the model cannot take.
func check(seqs []prompt.Sequence, vocab, maxSeq int) error {
	for i := range seqs {
		s := &seqs[i]
		name := func() string {
			if len(s.Targets) > 0 {
				return fmt.Sprintf("sequence %d (sample %d)", i, s.Targets[0].Sample)
			}
			return fmt.Sprintf("sequence %d", i)
		}
		if len(s.Tokens) == 0 {
			return fmt.Errorf("engine: %s has no tokens", name())
		}
		if maxSeq > 0 && len(s.Tokens) > maxSeq {
			return fmt.Errorf("engine: %s has %d tokens, the model takes %d: %w", name(), len(s.Tokens), maxSeq, ErrTooLong)
		}
		if s.Steps != nil && len(s.Steps) != len(s.Tokens) {
			return fmt.Errorf("engine: %s has %d tokens but %d steps", name(), len(s.Tokens), len(s.Steps))
		}
		if s.Header < 0 || s.Header > len(s.Tokens) {
			return fmt.Errorf("engine: %s has %d tokens but a header of %d", name(), len(s.Tokens), s.Header)
		}
		for _, t := range s.Tokens {
			if t < 0 || int(t) >= vocab {
				return fmt.Errorf("engine: %s has token %d, the model's vocabulary has %d: the tokenizer does not fit", name(), t, vocab)
			}
		}
		for _, t := range s.Targets {
			if t.Position < 0 || int(t.Position) >= len(s.Tokens) {
				return fmt.Errorf("engine: %s asks at token %d of %d", name(), t.Position, len(s.Tokens))
			}
		}
	}
	return nil
}
