package engine

import (
	"slices"
	"sort"

	"lsat/backbone"
	"lsat/prompt"
)

// place says where a target of a sequence stands in a batch.
type place struct {
	sequence, target int
}

// places says where a sequence's tokens stand in a batch: token k at at[k]. Sequences of a row may share their first tokens.
type places struct {
	sequence int
	at       []int32
}

// batch is a few rows of packed sequences: what one run of a compiled program takes.
type batch struct {
	rows, time                                       int
	band                                             backbone.Band
	tokens, positions, segments, ends, steps, lowest []int32   // [rows*time], see backbone.Rows
	looks                                            []int32   // [rows*blocks*band.Units]: lists, filled up
	lists                                            [][]int32 // of each block, the units that it looks at
	targets                                          []int32   // [capacity] indices into rows*time; padding points at 0
	labels, weights, offsets                         []float32
	paths                                            []places // of the sequences, row by row
	places                                           []place  // of the real targets, in the order of targets
}

// row is a packed row's content: indices of sequences.
type row struct {
	members []int
	used    int
}

const smallestRow = 64

// packing says how sequences become batches.
type packing struct {
	rowTokens, batchTokens int
	// atOnce is how many batches are run side by side.
	atOnce int
	// wide fills every batch up with empty rows to its full size, instead of to a power of two, so that one program serves them all.
	wide bool
	// byRows packs into rows whatever the sequences reach.
	byRows bool
	// shrink gives a call that is small a shorter row.
	shrink bool
	// tree computes once what sequences without a window begin with, beyond the header.
	tree bool
	// stretch lets rows have twice the tokens of a batch where their header would take much of one.
	stretch bool
}

// longHeader is the share of a batch, one in so many tokens, above which the header of every row is worth longer rows.
const longHeader = 16

// pack lays sequences into rows and rows into batches. Sequences stay whole; a token sees its own sequence only. The result
// depends on the sequences and the packing alone, so a job meets the same batches when it is run again. Sequences that share a header and
// look back a little way only become one long row with the header once (see reach), or with all that neighbours begin with once (see tree); others become rows of rowTokens, or of the next power
// of two where they are longer. Every size is compiled for, so there are few (see rowLength).
func pack(seqs []prompt.Sequence, p packing) []*batch {
	r := reachOf(seqs)
	if !p.byRows && r.narrow(p.rowTokens) {
		if p.tree && !r.windows {
			return packTree(seqs, r, p)
		}
		return packLong(seqs, r, p)
	}
	if total := totalTokens(seqs); p.shrink && total <= p.rowTokens {
		p.rowTokens = powerOfTwo(total, smallestRow)
		p.batchTokens = p.rowTokens
	}
	byTime := map[int][]int{}
	var times []int
	tokens := make([]int, len(seqs))
	for i := range seqs {
		time := p.rowTokens
		tokens[i] = len(seqs[i].Tokens)
		if n := tokens[i]; n > time {
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
		rows := fill(tokens, byTime[time], time)
		count := max(1, p.batchTokens/time)
		for len(rows) > 0 {
			n := min(count, len(rows))
			height := min(count, powerOfTwo(n, 1))
			if p.wide {
				height = count
			}
			out = append(out, layOut(seqs, rows[:n], height, time, reach{}))
			rows = rows[n:]
		}
	}
	return out
}

// fullRow is the length of a full row behind a header of so many tokens, and whether that is a long one.
func (p packing) fullRow(header int) (full int, long bool) {
	full, long = p.batchTokens, header*longHeader > p.batchTokens
	if p.stretch && long {
		full *= 2
	}
	return full, long
}

// packLong packs into single rows of up to batchTokens, or twice as many (packing.stretch). Where all fit a few of them, the rows are about even, and as long as
// that takes; a long list gets full rows, which one program serves.
func packLong(seqs []prompt.Sequence, r reach, p packing) []*batch {
	full, long := p.fullRow(r.header)
	total := 0
	for i := range seqs {
		total += len(seqs[i].Tokens) - r.header
		full = max(full, powerOfTwo(len(seqs[i].Tokens), full))
	}
	even := p.shrink || !p.wide
	share := full
	if even {
		rows := max(p.atOnce, (total+full-r.header-1)/max(1, full-r.header))
		share = (total+rows-1)/max(1, rows) + r.header
	}
	var out []*batch
	var current row
	flush := func() {
		time := full
		if even {
			time = min(full, rowLength(current.used, p.batchTokens, long && !p.wide))
		}
		out = append(out, layOut(seqs, []*row{{members: current.members}}, 1, time, r))
		current = row{}
	}
	for i := range seqs {
		n := len(seqs[i].Tokens) - r.header
		if len(current.members) > 0 && (current.used+n > full || current.used >= share) {
			flush()
		}
		if len(current.members) == 0 {
			current.used = r.header
		}
		current.members = append(current.members, i)
		current.used += n
	}
	if len(current.members) > 0 {
		flush()
	}
	return out
}

// rowLength is the length of a row that holds so many tokens where a full one has full: every length is compiled for, so there are few: a
// power of two up to half of it, and then a multiple of an eighth. From three quarters on it is fine where that is asked for, a multiple of two of attention's
// blocks: a few more programs for rows that a long job has many of, all of them with room for half a prompt.
func rowLength(tokens, full int, fine bool) int {
	const finest = 128
	grain := max(finest, full/8)
	if fine && 4*tokens > 3*full {
		return roundUp(tokens, 2*bandBlock)
	}
	if n := powerOfTwo(tokens, smallestRow); n <= 4*grain {
		return n
	}
	return roundUp(tokens, grain)
}

func totalTokens(seqs []prompt.Sequence) int {
	total := 0
	for i := range seqs {
		total += len(seqs[i].Tokens)
	}
	return total
}

// fill puts the given sequences into rows of the given length. It tries them as they come and longest first, and takes what needs
// fewer rows; rows made by Rows come out as they are.
func fill(tokens []int, members []int, time int) []*row {
	inOrder := firstFit(tokens, members, time)
	sorted := append([]int(nil), members...)
	sort.SliceStable(sorted, func(a, b int) bool { return tokens[sorted[a]] > tokens[sorted[b]] })
	if r := firstFit(tokens, sorted, time); len(r) < len(inOrder) {
		return r
	}
	return inOrder
}

func firstFit(tokens []int, members []int, time int) []*row {
	var rows, open []*row
	for _, i := range members {
		n := tokens[i]
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

// Rows groups sequences of so many tokens into rows: training takes whole rows for its steps, so that little of a batch is padding. Each row holds
// indices of tokens. Sequences are taken in the order given, each row from a stretch of it, so a shuffled order stays shuffled.
func (e *Engine) Rows(tokens []int) (rows [][]int) {
	const stretch = 64
	for lo := 0; lo < len(tokens); lo += stretch {
		var members []int
		for i := lo; i < min(lo+stretch, len(tokens)); i++ {
			members = append(members, i)
		}
		for _, r := range fill(tokens, members, e.options.RowTokens) {
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
