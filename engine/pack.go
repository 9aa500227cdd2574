package engine

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"lsat/prompt"
)

// ErrTooLong says that a sequence does not fit the model.
var ErrTooLong = fmt.Errorf("sequence is longer than the model allows")

// place says where a target of a sequence stands in a batch.
type place struct {
	sequence, target int
}

// batch is a few rows of packed sequences: what one run of a compiled program takes.
type batch struct {
	rows, time                                 int
	tokens, positions, segments, steps, lowest []int32 // [rows*time]
	targets                                    []int32 // [capacity] indices into rows*time; padding points at 0
	labels, weights, offsets                   []float32
	places                                     []place // of the real targets, in the order of targets
}

// row is a packed row's content: indices of sequences.
type row struct {
	members []int
	used    int
}

const smallestRow = 64

// pack lays sequences into rows and rows into batches. Sequences stay whole; a token sees its own sequence only. The result
// depends on the sequences and options alone, so a job meets the same batches when it is run again. A batch's number of rows is
// filled up with empty ones, to the full number for wide, else to a power of two, so that a few compiled programs serve all of
// them. With shrink, a call that fits one row gets a shorter one.
func pack(seqs []prompt.Sequence, rowTokens, batchTokens int, wide, shrink bool) []*batch {
	total := 0
	for i := range seqs {
		total += len(seqs[i].Tokens)
	}
	if shrink && total <= rowTokens {
		rowTokens = powerOfTwo(total, smallestRow)
		batchTokens = rowTokens
	}
	byTime := map[int][]int{}
	var times []int
	for i := range seqs {
		time := rowTokens
		if n := len(seqs[i].Tokens); n > time {
			time = powerOfTwo(n, time)
		}
		if _, ok := byTime[time]; !ok {
			times = append(times, time)
		}
		byTime[time] = append(byTime[time], i)
	}
	sort.Ints(times)
	var out []*batch
	for _, time := range times {
		rows := fill(seqs, byTime[time], time)
		count := max(1, batchTokens/time)
		for len(rows) > 0 {
			n := min(count, len(rows))
			height := min(count, powerOfTwo(n, 1))
			if wide {
				height = count
			}
			out = append(out, layOut(seqs, rows[:n], height, time))
			rows = rows[n:]
		}
	}
	return out
}

// fill puts the given sequences into rows of the given length. It tries them as they come and longest first, and takes what needs
// fewer rows; rows made by Rows come out as they are.
func fill(seqs []prompt.Sequence, members []int, time int) []*row {
	inOrder := firstFit(seqs, members, time)
	sorted := append([]int(nil), members...)
	sort.SliceStable(sorted, func(a, b int) bool { return len(seqs[sorted[a]].Tokens) > len(seqs[sorted[b]].Tokens) })
	if r := firstFit(seqs, sorted, time); len(r) < len(inOrder) {
		return r
	}
	return inOrder
}

func firstFit(seqs []prompt.Sequence, members []int, time int) []*row {
	var rows, open []*row
	for _, i := range members {
		n := len(seqs[i].Tokens)
		var home *row
		for _, r := range open {
			if r.used+n <= time {
				home = r
				break
			}
		}
		if home == nil {
			home = &row{}
			rows = append(rows, home)
			open = append(open, home)
		}
		home.members = append(home.members, i)
		if home.used += n; home.used > time-smallestRow/8 { // full, for all that matters
			open = slices.DeleteFunc(open, func(r *row) bool { return r == home })
		}
	}
	return rows
}

// Rows groups sequences into rows: training takes whole rows for its steps, so that little of a batch is padding. Each row holds
// indices of seqs. Sequences are taken in the order given, each row from a stretch of it, so a shuffled order stays shuffled.
func (e *Engine) Rows(seqs []prompt.Sequence) (rows [][]int) {
	const stretch = 64
	for lo := 0; lo < len(seqs); lo += stretch {
		var members []int
		for i := lo; i < min(lo+stretch, len(seqs)); i++ {
			members = append(members, i)
		}
		for _, r := range fill(seqs, members, e.options.RowTokens) {
			rows = append(rows, r.members)
		}
	}
	return rows
}

func powerOfTwo(n, least int) int {
	for least < n {
		least *= 2
	}
	return least
}

func layOut(seqs []prompt.Sequence, rows []*row, count, time int) *batch {
	size := count * time
	b := &batch{rows: count, time: time}
	for _, p := range []*[]int32{&b.tokens, &b.positions, &b.segments, &b.steps, &b.lowest} {
		*p = make([]int32, size)
	}
	for i := range b.segments {
		b.segments[i] = -1
		b.steps[i] = -1
	}
	for r, row := range rows {
		at := r * time
		for s, i := range row.members {
			seq := &seqs[i]
			for k, tok := range seq.Tokens {
				b.tokens[at+k], b.positions[at+k], b.segments[at+k] = tok, int32(k), int32(s)
				b.lowest[at+k] = math.MinInt32
				if seq.Window > 0 && seq.Steps != nil {
					b.steps[at+k] = seq.Steps[k]
					b.lowest[at+k] = seq.Steps[k] - seq.Window
				}
			}
			for k, t := range seq.Targets {
				b.targets = append(b.targets, int32(at)+t.Position)
				label := float32(0)
				if t.Label {
					label = 1
				}
				b.labels = append(b.labels, label)
				b.weights = append(b.weights, 1)
				b.offsets = append(b.offsets, t.Offset)
				b.places = append(b.places, place{i, k})
			}
			at += len(seq.Tokens)
		}
	}
	capacity := size / 4
	if len(b.targets) > capacity {
		capacity = powerOfTwo(len(b.targets), capacity)
	}
	for len(b.targets) < capacity {
		b.targets = append(b.targets, 0)
		b.labels = append(b.labels, 0)
		b.weights = append(b.weights, 0)
		b.offsets = append(b.offsets, 0)
	}
	return b
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
