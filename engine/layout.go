package engine

import (
	"fmt"
	"math"

	"lsat/backbone"
	"lsat/prompt"
)

// ErrTooLong says that a sequence does not fit the model.
var ErrTooLong = fmt.Errorf("sequence is longer than the model allows")

// layOut writes rows of sequences out as a batch of count rows of that length.
func layOut(seqs []prompt.Sequence, rows []*row, count, time int, reach reach) *batch {
	size := count * time
	b := &batch{rows: count, time: time, band: reach.band(time), shared: reach.header}
	for _, p := range []*[]int32{&b.tokens, &b.positions, &b.segments, &b.steps, &b.lowest} {
		*p = make([]int32, size)
	}
	for i := range b.segments {
		b.segments[i] = -1
		b.steps[i] = -1
	}
	for r, row := range rows {
		at := r * time
		if reach.header > 0 && len(row.members) > 0 {
			b.put(&seqs[row.members[0]], at, 0, reach.header, backbone.SharedSegment)
			at += reach.header
		}
		for s, i := range row.members {
			seq := &seqs[i]
			from := at - reach.header
			b.starts = append(b.starts, start{sequence: i, at: from, header: r * time})
			b.put(seq, from, reach.header, len(seq.Tokens), int32(s))
			b.ask(seq, i, from)
			at += len(seq.Tokens) - reach.header
		}
	}
	b.pad(size / 4)
	return b
}

// put writes the tokens [lo, hi) of a sequence, the k-th at at+k.
func (b *batch) put(seq *prompt.Sequence, at, lo, hi int, segment int32) {
	for k := lo; k < hi; k++ {
		b.tokens[at+k], b.positions[at+k], b.segments[at+k] = seq.Tokens[k], int32(k), segment
		b.lowest[at+k] = math.MinInt32
		if seq.Window > 0 && seq.Steps != nil {
			b.steps[at+k] = seq.Steps[k]
			b.lowest[at+k] = seq.Steps[k] - seq.Window
		}
	}
}

// ask writes the targets of a sequence whose k-th token stands at at+k.
func (b *batch) ask(seq *prompt.Sequence, index, at int) {
	for k, t := range seq.Targets {
		b.targets = append(b.targets, int32(at)+t.Position)
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
